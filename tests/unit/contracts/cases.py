"""Sixty ways in which a contract can be wrong, each made from the shipped contracts by one edit.

Belongs here: the table. Not here: the test that runs it (test_failures.py).
"""

from __future__ import annotations

from typing import NamedTuple

END = "# the end of the file"


class Case(NamedTuple):
    """One edit of one file, and what must be said about it."""

    name: str
    file: str
    old: str
    new: str
    at: str
    """The text that stands in the line that must be named."""
    field: str
    says: str
    remedy: str
    count: int = 1
    """How many problems it makes: one, unless the edit is two faults."""


HAS_EMAIL = "      - name: has_email\n"
EMAIL_LOGIC = "present(email)"
SLA_END = "  - {property: erasure, value: 30, unit: d, driver: regulatory}\n"
CODE_PATTERN = "'^C[0-9]{3,5}$'"
BALANCE_RANGE = "{minimum: 0, maximum: 100000000}"
ID_COLUMN = (
    "{name: id, logicalType: integer, physicalType: bigint, classification: internal, required: true, tags: [surrogate-id]}"
)
EMAIL_COLUMN = (
    "{name: email, logicalType: string, physicalType: bytea, classification: restricted, tags: [encrypted, natural-identifier]}"
)


def pattern(name: str, regex: str, says: str) -> Case:
    """A text's pattern that does not guard it."""
    return Case(name, "creditors", CODE_PATTERN, regex, "copy(code)", "creditors.code", says, "logicalTypeOptions: {pattern:")


YAML = (
    Case("half-written YAML", "customers", "  name: Customer Operations\n", "  name: [Customer\n", "slaProperties", "", "not readable as YAML", "Mend the file"),
    Case("a tab as indent", "customers", "  purpose:", "\tpurpose:", "\tpurpose:", "", "not readable as YAML", "Mend the file"),
    Case("a doubled key", "customers", "status: active\n", "status: active\nstatus: draft\n", "status: draft", "status", "stands twice", "Keep one"),
    Case("a doubled key deep inside", "customers", HAS_EMAIL, HAS_EMAIL + "        logicalType: boolean\n", "        logicalType: boolean\n        classification: internal\n        description: Whether an e-mail", "logicalType", "stands twice", "Keep one"),
    Case("an alias", "customers", "value: [customers.id]", "value: *path", "*path", "", "an anchor or alias", "Write the thing out"),
    Case("an anchor", "customers", "value: [customers.id]", "value: &path [customers.id]", "&path", "", "an anchor or alias", "Write the thing out"),
    Case("a tag", "customers", "version: 1.1.0", "version: !!int abc", "!!int", "", "an explicit tag", "Remove what begins with !"),
    Case("a key that is a list", "customers", "status: active\n", "? [status]\n: active\n", "? [status]", "", "a key is no plain word", "Write a name"),
    Case("a key that is a number", "customers", "status: active\n", "5: active\n", "5: active", "", "a key is no plain word", "Write a name"),
    Case("a merge key", "customers", HAS_EMAIL, HAS_EMAIL + "        <<: {required: true}\n", "<<", "customers.has_email", "unknown key", "Remove it"),
    Case("two documents", "customers", "kind: DataContract\n", "kind: DataContract\n---\n", "---", "", "not readable as YAML", "Mend the file"),
    Case("a control character", "customers", "Reach customers", "Reach \x07customers", "Reach", "", "control character", "Remove it"),
)  # fmt: skip

FORM = (
    Case("schema is a number", "customers", "schema:\n", "schema: 5\ntags:\n", "schema: 5", "schema", "must be a list", "Write a list", 3),
    Case("description is a text", "customers", "description:\n  purpose: Reach customers by the channel they chose, and see who is served.\n  limitations: Not for decisions about a single person.\n", "description: hello\n", "description: hello", "description", "must be keys with values", "Write keys with values"),
    Case("properties is a text", "customers", "    properties:\n      - name: id\n", "    properties: hello\n    tags:\n      - name: id\n", "properties: hello", "customers", "must be a list", "Write a list", 11),
    Case("a property is a text", "customers", HAS_EMAIL, "      - hello\n" + HAS_EMAIL, "- hello", "customers", "must be keys with values", "Write keys with values"),
    Case("a version that is a number", "customers", "version: 1.1.0", "version: 1.0", "version: 1.0", "version", "must be a text", "Put it in quotes"),
    Case("required is a text", "customers", "        classification: internal\n        description: Whether an e-mail", "        required: 'yes'\n        classification: internal\n        description: Whether an e-mail", "required: 'yes'", "customers.has_email", "must be true or false", "Write true or false"),
    Case("sources are a text", "customers", "[customers.email]", "customers.email", "transformSourceObjects: customers.email", "customers.has_email", "must be a list", "Write a list"),
    Case("tags are a number", "customers", "tags: [surrogate-id]", "tags: 5", "tags: 5", "platform_customers.id", "must be a list", "Write a list"),
    Case("another version of the standard", "customers", "apiVersion: v3.2.0", "apiVersion: v3.1.0", "apiVersion", "apiVersion", "another version", "apiVersion: v3.2.0"),
    Case("no such version of the standard", "customers", "apiVersion: v3.2.0", "apiVersion: v9", "apiVersion", "apiVersion", "another version", "v3.2.0"),
    Case("no version", "customers", "version: 1.1.0\n", "", "apiVersion", "", "version is missing", "Add it"),
    Case("a property without a name", "customers", HAS_EMAIL, "      - businessName: has_email\n", "businessName: has_email", "customers", "name is missing", "Add it"),
    Case("a property without a type", "creditors", "        logicalType: string\n        logicalTypeOptions", "        logicalTypeOptions", "- name: code", "creditors.code", "logicalType does not fit", "logicalType: string"),
    Case("a type that the standard lacks", "creditors", "        logicalType: string\n        logicalTypeOptions", "        logicalType: text\n        logicalTypeOptions", "logicalType: text", "creditors.code", "none of the values", "Write one of: string"),
)  # fmt: skip

KEYS = (
    Case("unknown key at the top", "customers", "status: active\n", "status: active\ncolour: red\n", "colour", "colour", "unknown key colour", "Remove it"),
    Case("a key of the standard that nobody acts on", "customers", "status: active\n", "status: active\nservers: []\n", "servers", "servers", "unknown key servers", "Remove it"),
    Case("unknown key in description", "customers", "  purpose:", "  colour: red\n  purpose:", "colour", "description.colour", "unknown key colour", "limitations, purpose"),
    Case("unknown key in team", "customers", "  name: Customer", "  colour: red\n  name: Customer", "colour", "team.colour", "unknown key colour", "name"),
    Case("unknown key in a service level", "customers", "driver: operational", "colour: red", "colour", "freshness", "unknown key colour", "unit, value"),
    Case("unknown key in an object", "customers", "    physicalType: event\n", "    physicalType: event\n    colour: red\n", "colour", "customers", "unknown key colour", "properties"),
    Case("unknown key in a table", "customers", "    physicalType: table\n", "    physicalType: table\n    colour: red\n", "colour", "platform_customers", "unknown key colour", "physicalName"),
    Case("unknown key in a field", "customers", HAS_EMAIL, HAS_EMAIL + "        colour: red\n", "colour", "customers.has_email", "unknown key colour", "transformLogic"),
    Case("unknown key in a column", "customers", "{name: phone,", "{name: phone, colour: red,", "colour", "platform_customers.phone", "unknown key colour", "physicalType"),
    Case("a derivation of a platform column", "customers", "{name: phone,", "{name: phone, transformLogic: copy(phone),", "copy(phone)", "platform_customers.phone", "unknown key transformLogic", "Remove it"),
    Case("unknown key in a custom property", "customers", "{property: kGroup, value: person}", "{property: kGroup, value: person, colour: red}", "colour", "customers.has_email.kGroup", "unknown key colour", "property, value"),
    Case("unknown custom property of an object", "customers", "      - property: withheld\n", "      - {property: hidden, value: []}\n      - property: withheld\n", "hidden", "customers.hidden", "unknown custom property hidden", "withheld"),
    Case("unknown custom property of a field", "customers", "{property: kGroup, value: person}", "{property: kGrup, value: person}", "kGrup", "customers.has_email.kGrup", "unknown custom property kGrup", "kGroup"),
    Case("a custom property at the top", "customers", "status: active\n", "status: active\ncustomProperties: []\n", "customProperties: []", "customProperties", "unknown key customProperties", "Remove it"),
    Case("a doubled custom property", "customers", "      - property: withheld\n", "      - {property: withheld, value: []}\n      - property: withheld\n", "      - property: withheld\n", "customers.withheld", "stands twice", "Keep one"),
    Case("examples", "customers", HAS_EMAIL, HAS_EMAIL + "        examples: [jane]\n", "examples", "customers.has_email", "invite real values", "Describe the form"),
    Case("unknown type option", "debts", BALANCE_RANGE, "{minimum: 0, maximum: 100000000, colour: 1}", "colour", "debts.balance_pence", "unknown key colour", "Remove it"),
    Case("a type option that nobody acts on", "debts", BALANCE_RANGE, "{minimum: 0, maximum: 100000000, multipleOf: 10}", "rounded(balance_pence", "debts.balance_pence", "does not act on it", "Remove multipleOf"),
)  # fmt: skip

HEAD = (
    Case("no purpose", "customers", "  purpose: Reach customers by the channel they chose, and see who is served.\n", "", "description:", "description.purpose", "purpose is missing", "Say what the data is for"),
    Case("no owner", "customers", "team:\n  name: Customer Operations\n", "", "apiVersion", "team.name", "name is missing", "Write team"),
    Case("a draft", "customers", "status: active", "status: draft", "status: draft", "status", "only an active contract", "status: active"),
    Case("no semantic version", "customers", "version: 1.1.0", "version: 1.1.0-beta", "version:", "version", "not a semantic version", "version: 1.0.0"),
    Case("two names", "customers", "name: customers\nversion", "name: clients\nversion", "name: clients", "name", "named otherwise", "in both places"),
    Case("a file of another name", "customers", "name: customers\n    logicalType", "name: people\n    logicalType", "- name: people", "people", "the file is named otherwise", "<entity>.yaml"),
    Case("a third schema object", "customers", "schema:\n", "schema:\n  - {name: more, logicalType: object, physicalType: event}\n", "schema:", "schema", "two schema objects", "physicalType: table"),
    Case("a table without its name", "customers", "    physicalName: customers\n", "", "platform_customers", "platform_customers", "the platform's table is not named", "Write physicalName"),
    Case("no freshness", "customers", "  - {property: freshness, value: 15, unit: m, driver: operational}\n", "", "slaProperties", "slaProperties", "freshness is missing", "{property: freshness"),
    Case("no erasure", "customers", SLA_END, "", "slaProperties", "slaProperties", "erasure is missing", "{property: erasure"),
    Case("a doubled service level", "customers", SLA_END, SLA_END + "  - {property: erasure, value: 90, unit: d}\n", "value: 90", "erasure", "stands twice", "Keep one"),
    Case("an unknown service level", "customers", SLA_END, SLA_END + "  - {property: latency, value: 90, unit: d}\n", "latency", "latency", "unknown service level", "freshness, retention, erasure"),
    Case("a period of nothing", "customers", "value: 30, unit: d", "value: 0, unit: d", "value: 0", "erasure", "no period", "d or y"),
    Case("a period that is a text", "customers", "value: 30, unit: d", "value: soon, unit: d", "soon", "erasure", "no period", "d or y"),
    Case("a period that is true", "customers", "value: 30, unit: d", "value: true, unit: d", "value: true", "erasure", "no period", "d or y"),
    Case("a period in the wrong unit", "customers", "value: 6, unit: y", "value: 6, unit: m", "value: 6", "retention", "no period", "d or y"),
    Case("a period without a unit", "customers", "value: 6, unit: y,", "value: 6,", "value: 6", "retention", "no period", "d or y"),
    Case("a period beyond reason", "customers", "value: 6, unit: y", "value: 999999999999, unit: y", "value: 9999", "retention", "no period", "d or y"),
    Case("a precision that does not exist", "customers", "      - property: withheld\n", "      - {property: committedAtPrecision, value: day}\n      - property: withheld\n", "value: day", "customers.committedAtPrecision", "unknown", "second, minute or hour"),
)  # fmt: skip

LOGIC = (
    Case("an unknown function", "customers", EMAIL_LOGIC, "sha256(email)", "sha256", "customers.has_email", "no function sha256", "present(column)"),
    Case("no call", "customers", EMAIL_LOGIC, "email", "transformLogic: email", "customers.has_email", "cannot be read", "present(email)"),
    Case("a call within a call", "customers", EMAIL_LOGIC, "present(copy(email))", "present(copy", "customers.has_email", "cannot be read", "present(email)"),
    Case("no transformLogic", "customers", "        transformLogic: present(email)\n", "", "- name: has_email", "customers.has_email", "missing", "present(email)"),
    Case("it depends on today", "customers", "birth_band(date_of_birth, 10)", "age_band(date_of_birth, 10)", "age_band", "customers.birth_band", "depends on the day", "birth_band"),
    Case("it depends on now", "customers", "truncate(created_at, month)", "days_since(created_at)", "days_since", "customers.joined_on", "depends on the day", "in gold"),
    Case("a column that the table lacks", "customers", "[customers.email]\n        transformLogic: present(email)", "[customers.mail]\n        transformLogic: present(mail)", "present(mail)", "customers.has_email", "no column mail", "It has: id"),
    Case("sources that differ", "customers", "[customers.email]", "[customers.phone]", "[customers.phone]\n        transformLogic: present(email)", "customers.has_email", "transformSourceObjects differs", "[customers.email]"),
    Case("more sources than are read", "customers", "[customers.email]", "[customers.email, customers.phone]", "[customers.email, ", "customers.has_email", "transformSourceObjects differs", "[customers.email]"),
    Case("no sources", "customers", "        transformSourceObjects: [customers.email]\n", "", "- name: has_email", "customers.has_email", "transformSourceObjects differs", "[customers.email]"),
    Case("an argument too many", "customers", EMAIL_LOGIC, "present(email, 5)", "present(email, 5)", "customers.has_email", "nothing else", "Write present(email)"),
    Case("a width that does not exist", "customers", "birth_band(date_of_birth, 10)", "birth_band(date_of_birth, 1)", "birth_band(date", "customers.birth_band", "5, 10, 20, 25 or 50", "birth_band(date_of_birth, 10)"),
    Case("edges that fall", "debts", "money_band(principal_pence, 0, 100", "money_band(principal_pence, 100, 0", "money_band(", "debts.principal_band", "whole numbers that rise", "0, 500, 1000"),
    Case("bands of one value", "debts", "money_band(principal_pence, 0, 100, 500, 1000, 5000, 10000)", "band(principal_pence, 1, 2, 3)", "band(principal", "debts.principal_band", "the value itself", "0, 500, 1000"),
    Case("a truncation that does not exist", "customers", "truncate(created_at, month)", "truncate(created_at, hour)", "truncate(created_at, hour)", "customers.joined_on", "day or month", "truncate(created_at, day)"),
    Case("one value listed", "customers", "one_of(status, active, closed, deceased)", "one_of(status, active)", "one_of(status", "customers.status", "two or more", "letters, digits"),
    Case("a value listed twice", "customers", "one_of(status, active, closed, deceased)", "one_of(status, active, active)", "one_of(status", "customers.status", "two or more", "letters, digits"),
    Case("a value outside of the safe alphabet", "customers", "one_of(status, active, closed, deceased)", "one_of(status, active, clo\"sed)", "one_of(status", "customers.status", "cannot be read", "Write one call"),
    Case("a value that begins with a dash", "customers", "one_of(status, active, closed, deceased)", "one_of(status, active, -closed)", "one_of(status", "customers.status", "plain words", "letters, digits"),
    Case("a step of one", "debts", "rounded(balance_pence, 1000)", "rounded(balance_pence, 1)", "rounded(", "debts.balance_pence", "step of 2 or more", "rounded(balance_pence, 100)"),
    Case("no range", "debts", "        logicalTypeOptions: " + BALANCE_RANGE + "\n", "", "rounded(balance", "debts.balance_pence", "a number needs a range", "{minimum: 0, maximum:"),
    Case("a range upside down", "debts", BALANCE_RANGE, "{minimum: 100, maximum: 0}", "rounded(balance", "debts.balance_pence", "minimum is not below maximum", "Exchange them"),
    Case("a range beyond 2^53", "debts", BALANCE_RANGE, "{minimum: 0, maximum: 10000000000000000}", "rounded(balance", "debts.balance_pence", "2^53", "Stay within"),
    Case("a range between two steps", "debts", BALANCE_RANGE, "{minimum: 0, maximum: 100500}", "rounded(balance", "debts.balance_pence", "no multiples of the step", "Round them"),
    Case("a range of fractions", "debts", BALANCE_RANGE, "{minimum: 0.5, maximum: 100000}", "rounded(balance", "debts.balance_pence", "a number needs a range", "{minimum: 0, maximum:"),
    Case("a function of another type", "customers", "transformSourceObjects: [customers.status]\n        transformLogic: one_of(status, active, closed, deceased)", "transformSourceObjects: [customers.status]\n        transformLogic: truncate(status, day)", "truncate(status", "customers.status", "status is of type string", "date or timestamp"),
    Case("a type that does not fit", "customers", "        logicalType: boolean\n        classification: internal\n        description: Whether an e-mail", "        logicalType: string\n        required: true\n        classification: internal\n        description: Whether an e-mail", "logicalType: string\n        required: true\n        classification: internal\n        description: Whether an e-mail", "customers.has_email", "logicalType does not fit", "logicalType: boolean"),
    Case("an enum that says otherwise", "customers", "        transformLogic: one_of(status", "        enum: [{value: active}]\n        transformLogic: one_of(status", "enum:", "customers.status", "enum differs", "active, closed, deceased"),
    Case("an enum of an open domain", "customers", HAS_EMAIL, HAS_EMAIL + "        enum: [{value: x}]\n", "enum:", "customers.has_email", "lets others out", "Remove enum"),
    pattern("no pattern anchors", "'C[0-9]{3}'", "not anchored"),
    pattern("a choice outside of brackets", "'^C|x$'", "not anchored"),
    pattern("any character", "'^C.$'", "a bare dot"),
    pattern("without end", "'^C[0-9]+$'", "match without end"),
    pattern("quotes", "'^C[\"0-9]{3}$'", "outside of the safe ones"),
    pattern("a backslash", "'^C\\d{3}$'", "outside of the safe ones"),
    pattern("a space", "'^C[0-9 ]{3}$'", "outside of the safe ones"),
    pattern("a negated class", "'^C[^0-9]{3}$'", "outside of the safe ones"),
    pattern("a look-ahead", "'^C(?=0)$'", "outside of the safe ones"),
    pattern("a sentence", "'^[a-z]{1,500}$'", "more than 64 characters"),
    pattern("an open bracket", "'^C[0-9$'", "not closed"),
    Case("no pattern", "creditors", "        logicalTypeOptions: {pattern: '^C[0-9]{3,5}$'}\n", "", "copy(code)", "creditors.code", "without a pattern", "logicalTypeOptions: {pattern:"),
)  # fmt: skip

PRIVACY = (
    Case("a copied e-mail address", "customers", "        logicalType: boolean\n        classification: internal\n        description: Whether an e-mail address is known.\n        transformSourceObjects: [customers.email]\n        transformLogic: present(email)", "        logicalType: string\n        classification: restricted\n        description: Whether an e-mail address is known.\n        transformSourceObjects: [customers.email]\n        transformLogic: copy(email)", "copy(email)", "customers.has_email", "copy(email) would let each row's email leave as it is, and it is a natural identifier (encrypted by the application): it would stand readable in the lake", "present(email)"),
    Case("the day of birth", "customers", "birth_band(date_of_birth, 10)", "truncate(date_of_birth, day)", "truncate(date", "customers.birth_band", "truncate(date_of_birth, …) would let the day or month of each row's date_of_birth leave, and it is a natural identifier", "withheld"),
    Case("a rounded income", "plans", "money_band(monthly_income, 0, 500, 1000, 1500, 2000, 3000, 5000)", "rounded(monthly_income, 100)", "rounded(monthly", "plans.income_band", "rounded(monthly_income, …) would let each row's monthly_income leave as a rounded number, and the application encrypts it", "present(monthly_income)"),
    Case("a copied confidential column", "customers", "one_of(status, active, closed, deceased)", "copy(status)", "copy(status)", "customers.status", "copy(status) would let each row's status leave as it is, and it is classified confidential", "withheld"),
    Case("a pseudonym of a natural identifier", "customers", "present(phone)", "pseudonym(phone, customer)", "pseudonym(phone", "customers.has_phone", "phone is a natural identifier", "present(…) or a band"),
    Case("a pseudonym of what is no id", "debts", "[debts.creditor_id]\n        transformLogic: pseudonym(creditor_id, creditor)", "[debts.product]\n        transformLogic: pseudonym(product, creditor)", "pseudonym(product", "debts.creditor_id", "product is not tagged", "surrogate-id"),
    Case("a pseudonym without a namespace", "debts", "pseudonym(creditor_id, creditor)", "pseudonym(creditor_id)", "pseudonym(creditor_id)", "debts.creditor_id", "one namespace", "pseudonym(creditor_id, customer)"),
    Case("required over a nullable column", "customers", "      - name: postcode_area\n        logicalType: string\n", "      - name: postcode_area\n        logicalType: string\n        required: true\n", "required: true\n        classification: confidential\n        description: The area", "customers.postcode_area", "postcode may be null", "Drop `required`"),
    Case("classified too low", "customers", "        classification: confidential\n        description: Whether the customer", "        classification: public\n        description: Whether the customer", "classification: public", "customers.status", "would show which of these it is: active, closed, deceased of status, which is confidential, to whoever may see what is public; one_of hides too little for that", "classification: confidential"),
    Case("a public pseudonym of a confidential id", "debts", "{name: creditor_id, logicalType: integer, physicalType: bigint, classification: internal", "{name: creditor_id, logicalType: integer, physicalType: bigint, classification: restricted", "classification: internal\n        description: To whom", "debts.creditor_id", "of creditor_id, which is restricted, to whoever may see what is internal; pseudonym hides too little for that", "classification: confidential"),
    Case("no classification", "customers", "        classification: internal\n        description: Whether an e-mail", "        description: Whether an e-mail", "- name: has_email", "customers.has_email", "no usable classification", "public, internal"),
    Case("a classification that does not exist", "customers", "        classification: internal\n        description: Whether an e-mail", "        classification: secret\n        description: Whether an e-mail", "secret", "customers.has_email", "no usable classification", "public, internal"),
    Case("no description", "customers", "        description: Whether an e-mail address is known.\n", "", "- name: has_email", "customers.has_email", "description is missing", "Say in a sentence"),
    Case("a doubled field", "customers", HAS_EMAIL, "      - name: has_phone\n", "      - name: has_phone\n        logicalType: boolean\n        classification: internal\n        description: Whether a phone", "customers.has_phone", "the field stands twice", "Keep one"),
    Case("a field with capitals", "customers", HAS_EMAIL, "      - name: hasEmail\n", "hasEmail", "customers.hasEmail", "not a plain field name", "lower case"),
    Case("a column in neither list", "customers", "value: [full_name, updated_at]", "value: [full_name]", "property: withheld", "customers.withheld", "the column updated_at is neither released nor withheld", "add it to withheld"),
    Case("a column in both", "customers", "value: [full_name, updated_at]", "value: [full_name, updated_at, email]", "property: withheld", "customers.withheld", "email is withheld, and has_email reads it", "Remove it from withheld"),
    Case("withheld unknown", "customers", "value: [full_name, updated_at]", "value: [full_name, updated_at, ghost]", "property: withheld", "customers.withheld", "withheld names ghost", "Remove it"),
    Case("withheld twice", "customers", "value: [full_name, updated_at]", "value: [full_name, updated_at, full_name]", "property: withheld", "customers.withheld", "full_name twice", "Keep one"),
    Case("withheld is no list", "customers", "value: [full_name, updated_at]", "value: full_name", "property: withheld", "customers.withheld", "no list", "or [] if none"),
    Case("withheld holds keys", "customers", "value: [full_name, updated_at]", "value: [{a: 1}]", "property: withheld", "customers.withheld", "no list", "or [] if none"),
    Case("no withheld", "creditors", "      - property: withheld\n        value: [name, contact_email]\n", "", "- name: creditors", "creditors", "withheld is missing", "or [] if none"),
    Case("no k for a group", "customers", "      - property: k\n        value: 10\n", "", "- name: customers", "customers", "k is missing", "such as 10"),
    Case("k of one", "customers", "      - property: k\n        value: 10\n", "      - property: k\n        value: 1\n", "property: k\n        value: 1\n", "customers.k", "below 2", "such as 10"),
    Case("k that protects nobody", "creditors", "      - property: withheld\n", "      - {property: k, value: 10}\n      - property: withheld\n", "property: k,", "creditors.k", "protects no field", "kGroup"),
    Case("a kGroup that is a number", "customers", "{property: kGroup, value: person}", "{property: kGroup, value: 5}", "value: 5", "customers.has_email.kGroup", "no plain word", "value: person"),
    Case("a key that says whether", "creditors", "logicalType: string\n        required: true\n        classification: internal\n        description: The creditor's pseudonym.\n        transformSourceObjects: [creditors.id]\n        transformLogic: pseudonym(id, creditor)", "logicalType: boolean\n        required: true\n        classification: internal\n        description: The creditor's pseudonym.\n        transformSourceObjects: [creditors.id]\n        transformLogic: present(id)", "- name: id", "creditors.id", "the key must be one pseudonym", "primaryKey: true"),
    Case("a key that is not first", "creditors", "        primaryKey: true\n", "", "- name: id", "creditors.id", "stand first", "primaryKey: true"),
    Case("a key that may be null", "creditors", "        primaryKey: true\n        logicalType: string\n        required: true\n", "        primaryKey: true\n        logicalType: string\n", "- name: id", "creditors.id", "the key may be null", "required: true"),
)  # fmt: skip

COLUMNS = (
    Case("a doubled column", "customers", EMAIL_COLUMN, EMAIL_COLUMN + "\n      - " + EMAIL_COLUMN + " " + END, END, "platform_customers.email", "the column stands twice", "Keep one"),
    Case("a column that is no SQL name", "customers", "{name: full_name,", "{name: full-name,", "full-name", "platform_customers.full-name", "not a plain column name", "lower case with underscores", 2),
    Case("an unknown tag", "plans", "tags: [encrypted]", "tags: [encrypted, secret]", "secret]", "platform_plans.monthly_income", "unknown tag", "natural-identifier"),
    Case("natural and made up at once", "customers", "tags: [encrypted, natural-identifier]", "tags: [encrypted, natural-identifier, surrogate-id]", "natural-identifier, sur", "platform_customers.full_name", "made up by the platform or natural", "Keep surrogate-id"),
    Case("encrypted without ciphertext", "customers", "{name: email, logicalType: string, physicalType: bytea", "{name: email, logicalType: string, physicalType: text", "{name: email", "platform_customers.email", "holds no ciphertext", "physicalType: bytea"),
    Case("binary without encryption", "plans", "{name: notes, logicalType: string, physicalType: bytea, classification: restricted, tags: [encrypted]}", "{name: notes, logicalType: string, physicalType: bytea, classification: restricted}", "{name: notes", "platform_plans.notes", "does not fit logicalType string", "tag it encrypted"),
    Case("a time without a zone", "customers", "{name: created_at, logicalType: timestamp, physicalType: timestamptz", "{name: created_at, logicalType: timestamp, physicalType: timestamp", "{name: created_at", "platform_customers.created_at", "does not fit logicalType timestamp", "timestamptz"),
    Case("no physical type", "customers", "{name: created_at, logicalType: timestamp, physicalType: timestamptz", "{name: created_at, logicalType: timestamp", "{name: created_at", "platform_customers.created_at", "physicalType is missing", "timestamptz"),
    Case("a type that no column can have", "customers", "{name: updated_at, logicalType: timestamp", "{name: updated_at, logicalType: array", "{name: updated_at", "platform_customers.updated_at", "no usable logicalType", "timestamp"),
    Case("a column without a classification", "customers", "{name: phone, logicalType: string, physicalType: bytea, classification: restricted,", "{name: phone, logicalType: string, physicalType: bytea,", "{name: phone", "platform_customers.phone", "no usable classification", "restricted"),
    Case("a relationship to nowhere", "debts", "{name: creditor_id, ", "{name: creditor_id, relationships: [], ", "{name: creditor_id", "platform_debts.creditor_id", "points to one key", "relationships: [{to: debts.id}]"),
)  # fmt: skip

ACROSS = (
    Case("no subject", "debts", "      - property: subject\n        value: [debts.customer_id]\n", "", "- name: debts", "debts", "no data subject is named", "or none"),
    Case("a subject that is a number", "debts", "value: [debts.customer_id]", "value: 5", "property: subject", "debts.subject", "no data subject is named", "or none"),
    Case("a subject without a table", "debts", "value: [debts.customer_id]", "value: [customer_id]", "property: subject", "debts.subject", "no data subject is named", "debts.customer_id"),
    Case("a subject that begins elsewhere", "debts", "value: [debts.customer_id]", "value: [plans.debt_id, debts.customer_id]", "property: subject", "debts.subject", "begins at another table", "Begin with a column of debts"),
    Case("a subject of a column that is not there", "debts", "value: [debts.customer_id]", "value: [debts.person_id]", "property: subject", "debts.subject", "breaks at step 1", "a column of a contracted table"),
    Case("a subject of a table that is not there", "plans", "value: [plans.debt_id, debts.customer_id]", "value: [plans.debt_id, loans.customer_id]", "property: subject", "plans.subject", "breaks at step 1", "does not point to loans"),
    Case("steps that do not connect", "payments", "value: [payments.plan_id, plans.debt_id, debts.customer_id]", "value: [payments.plan_id, debts.customer_id]", "property: subject", "payments.subject", "breaks at step 1", "payments.plan_id does not point to debts"),
    Case("a subject that ends too early", "payments", "value: [payments.plan_id, plans.debt_id, debts.customer_id]", "value: [payments.plan_id, plans.debt_id]", "property: subject", "payments.subject", "breaks at step 2", "plans.debt_id does not point to a person"),
    Case("a subject that is a company", "debts", "value: [debts.customer_id]", "value: [debts.creditor_id]", "property: subject", "debts.subject", "breaks at step 1", "does not point to a person"),
    Case("a forgotten subject", "payments", "value: [payments.plan_id, plans.debt_id, debts.customer_id]", "value: none", "property: subject", "payments.subject", "plan_id leads to a person", "[payments.plan_id, plans.debt_id, debts.customer_id]"),
    Case("a namespace that no key has", "debts", "pseudonym(creditor_id, creditor)", "pseudonym(creditor_id, creditors)", "- name: creditor_id", "debts.creditor_id", "joins with nothing", "creditor, customer, debt"),
    Case("a namespace that contradicts its relationship", "debts", "{name: creditor_id, ", "{name: creditor_id, relationships: [{to: customers.id}], ", "- name: creditor_id", "debts.creditor_id", "not that of the key", "creditors.id"),
    Case("two keys of one namespace", "debts", "pseudonym(id, debt)", "pseudonym(id, creditor)", "- name: id", "debts.id", "has the namespace of creditors", "of its own"),
)  # fmt: skip

CASES = (*YAML, *FORM, *KEYS, *HEAD, *LOGIC, *PRIVACY, *COLUMNS, *ACROSS)
