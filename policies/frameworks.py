"""The requirements that controls refer to, in this project's own words.

PCI DSS 4.0.1 and the GDPR say what they say; what a requirement of the FCA's Handbook asks of a
data platform is this project's own reading. A requirement that no control serves stays in the list:
that is what the list is for.
"""

from collections.abc import Mapping

PCI_DSS = "PCI DSS 4.0.1"
GDPR = "GDPR Art."
FCA = "FCA"

# {framework: {number: what it asks}}
REQUIREMENTS: Mapping[str, Mapping[str, str]] = {
    PCI_DSS: {
        "1.2.5": "Services, protocols and ports that are allowed are known and needed",
        "1.2.6": "Insecure services are made safe where they are needed",
        "1.3.1": "What comes into the data environment is restricted to what is needed",
        "1.3.2": "What leaves the data environment is restricted to what is needed",
        "1.4.2": "What comes from untrusted networks reaches only what is meant for them",
        "1.4.4": "What stores card data cannot be reached from untrusted networks",
        "2.2.1": "Components are configured by a standard that covers known weaknesses",
        "2.2.3": "Functions of different need for security are kept apart",
        "2.2.4": "Only what is needed is switched on",
        "2.2.6": "Security settings are such as to prevent misuse",
        "2.2.7": "Administrative access is encrypted",
        "3.2.1": "Data are kept no longer than needed, and then disposed of",
        "3.5.1": "Card numbers cannot be read where they are stored",
        "3.6.1": "Keys are protected against disclosure and misuse",
        "3.6.1.2": "Keys are stored in a protected form",
        "3.6.1.3": "As few as possible can reach keys in the clear",
        "3.7.1": "Keys are strong",
        "3.7.4": "Keys are changed at the end of their cryptoperiod",
        "3.7.5": "Keys are retired and destroyed under control",
        "4.2.1": "Data are encrypted strongly on their way",
        "4.2.1.1": "Trusted keys and certificates are known and valid",
        "6.3.2": "What software is made of is known",
        "6.3.3": "Components are protected from known weaknesses by updates",
        "6.4.2": "What is open to the world is guarded against attacks from there",
        "6.5.1": "Changes are made by a procedure",
        "6.5.3": "What is not production is kept apart from it",
        "7.2.1": "Access follows need",
        "7.2.2": "Access follows role and least privilege",
        "7.2.5": "Accounts of systems and applications have least privilege",
        "7.3.3": "Access is denied unless allowed",
        "8.3.2": "Secrets of accounts cannot be read in transit or at rest",
        "8.3.6": "Passwords are long and hard to guess",
        "8.6.2": "Passwords of applications are not in scripts, configuration or source",
        "8.6.3": "Passwords of applications are changed and protected from misuse",
        "9.4.1.1": "Backups are kept in a safe place",
        "10.2.1": "Audit logs are on, for all components",
        "10.2.1.1": "Each access to card data is logged",
        "10.2.1.2": "Each administrative action is logged",
        "10.3.1": "Only those who need it read audit logs",
        "10.3.2": "Audit logs cannot be changed",
        "10.3.3": "Audit logs are soon copied to where they are hard to change",
        "10.3.4": "Changes of audit logs are noticed",
        "10.5.1": "Audit logs are kept for 12 months, 3 at hand",
        "10.7.2": "Failing security controls are noticed and reported",
        "11.5.2": "Unauthorised changes of critical files are noticed",
        "12.5.1": "What belongs to the data environment is known",
        "12.10.1": "Incidents are answered by a plan, which covers recovery and backups",
    },
    GDPR: {
        "5(1)(c)": "No more personal data than needed",
        "5(1)(e)": "Personal data are kept no longer than needed",
        "5(1)(f)": "Personal data are protected from unlawful access, loss and damage",
        "5(2)": "Compliance can be shown",
        "17": "Personal data are erased on request",
        "20": "Personal data can be had in a portable form",
        "25(1)": "Data protection by design",
        "25(2)": "Data protection by default: nothing is open to everybody",
        "32(1)(a)": "Personal data are encrypted as the risk demands",
        "32(1)(b)": "Systems stay confidential, intact, available and resilient",
        "32(1)(c)": "Personal data can be restored in time after an incident",
        "32(1)(d)": "Measures are tested regularly",
        "32(4)": "Whoever has access processes data on instruction only",
        "33": "Breaches are noticed and reported",
        "44": "Personal data stay where the law protects them",
    },
    FCA: {
        "PRIN 2.1.1": "Affairs are organised responsibly, with adequate risk management (3)",
        "SYSC 4.1.6": "Services go on without undue interruption",
        "SYSC 4.1.7": "Essential data and functions are preserved, or recovered in time",
        "SYSC 8.1.1": "Outsourcing does not add undue operational risk",
        "SYSC 8.1.8": "Outsourced services stay under control: access, confidentiality, exit",
        "SYSC 9.1.1": "Orderly records are kept, enough to supervise by",
        "SYSC 9.1.2": "Records are kept for as long as prescribed",
        "SYSC 13.7": "Systems and their continuity are managed",
        "SYSC 15A.2.5": "Impact tolerances are set for important services",
        "SYSC 15A.2.9": "Important services stay within their impact tolerances",
        "SYSC 15A.4.1": "What important services rest on is mapped",
        "SYSC 15A.5.3": "Severe but plausible disruptions are tested",
    },
}


def known(reference: str) -> bool:
    """Whether a reference is in the list, as "PCI DSS 4.0.1 3.7.4" and "GDPR Art. 32(1)(a)" are."""
    return any(
        reference == f"{framework} {number}"
        for framework, numbers in REQUIREMENTS.items()
        for number in numbers
    )
