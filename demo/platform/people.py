"""Invented people, and what they and the company write.

Belongs here: values, under a seed. Not here: rows (traffic/).

Every sensitive value is distinctive: it holds a token that occurs once, so a search of the lake for it finds a leak and nothing
else. Telephone numbers are from the ranges that Ofcom keeps for fiction, mail domains from RFC 2606.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from datetime import date, timedelta

from faker import Faker

SPELLINGS = ("Siân", "Zoë", "Łukasz", "Nuala O’Brien", "Anaïs", "Þóra", "Ngọc", "José María")
# The shortest and the longest body must fall in different length bands, and line breaks and quotes must survive COPY.
SENTENCES = {
    "welcome": "Hello {name}, we now look after your account.\nYour reference is {token}.",
    "reminder": "A payment is due soon. Please quote {token} when you call us.",
    "plan_offer": "We can offer you an arrangement, {name}. Reply YES {token} to accept it.",
    "receipt": "Thank you, we have received your payment ({token}).",
    "missed_payment": "Your payment did not arrive. Is everything all right? Ref: {token}",
    "closing": "Your account {token} is closed. All the best, {name}.",
}
REPLIES = (
    "ok {token}",
    'I said "no" last week\\already. {token}',
    "I lost my job on {day} and can't pay until next month, sorry. My reference is {token}",
    "Please call my sister, I am in hospital.\tWard 7. {token} 🙏",
)
NOTES = (
    "Customer asked for letters in large print ({token}).",
    "Speaks to us through a carer; password agreed: {token}.",
    "Said that the overtime ends in spring. Case {token}.",
    "Diagnosis confirmed by GP letter {token}.",
)
YOUNGEST_DAYS, OLDEST_DAYS = 18 * 366, 88 * 365
"""How old those who join are, at least and at most."""

BANKS = ("Bank", "Cards", "Mobile", "Energy", "Stores", "Council")


@dataclass(frozen=True)
class Person:
    """Who a customer is: what the application encrypts."""

    full_name: str
    email: str | None
    phone: str | None
    date_of_birth: date
    address: str | None
    postcode: str | None


class People:
    """A seeded source of people and texts: the same seed gives the same values in the same order."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._faker = Faker("en_GB")
        self._faker.seed_instance(seed)
        self._count = 0

    def person(self, born_before: date) -> Person:
        """An adult, now and then without an e-mail address, a telephone number or an address."""
        first, last = self._faker.first_name(), self._faker.last_name()
        if self._random.random() < 0.03:
            first = self._random.choice(SPELLINGS)
        # A middle initial and a double name: two plain names could occur in the lake by chance.
        name = f"{first} {self._random.choice(string.ascii_uppercase)}. {last}-{self._faker.last_name()}"
        housed = self._random.random() < 0.93
        return Person(
            full_name=name,
            email=self.email(first, last) if self._random.random() < 0.85 else None,
            phone=self.phone() if self._random.random() < 0.8 else None,
            date_of_birth=born_before - timedelta(days=self._random.randint(YOUNGEST_DAYS, OLDEST_DAYS)),
            address=self.address() if housed else None,
            postcode=self.postcode() if housed else None,
        )

    def email(self, first: str, last: str) -> str:
        local = "".join(letter for letter in f"{first}.{last}".lower() if letter.isascii() and letter not in " '’")
        return f"{local}.{self.token().lower()}@{self._random.choice(('example.com', 'example.org', 'example.net'))}"

    def phone(self) -> str:
        """A mobile number in one of the forms in which people type it."""
        number = f"{self._random.randrange(1000):03d}"
        extension = f"{self._random.randrange(10_000):04d}"
        form = self._random.choice(("07700 900{n} x{e}", "+44 7700 900{n} x{e}", "(07700) 900-{n} x{e}"))
        return form.format(n=number, e=extension)

    def postcode(self) -> str:
        return self._faker.postcode()

    def address(self) -> str:
        return f"{self.token()} House, {self._faker.street_address()}, {self._faker.city()}".replace("\n", ", ")

    def company(self) -> str:
        return f"{self._faker.last_name()} & {self._faker.last_name()} {self._random.choice(BANKS)}"

    def account_reference(self) -> str:
        return f"{self._random.choice(string.ascii_uppercase)}{self._random.randrange(10**8):08d}/{self.token()}"

    def bank_account(self) -> str:
        sort_code = "-".join(f"{self._random.randrange(100):02d}" for _ in range(3))
        return f"{sort_code} {self._random.randrange(10**8):08d}"

    def monthly_income_pence(self) -> int:
        """Mostly between 800 and 4,000 pounds, a few with none or much."""
        if self._random.random() < 0.05:
            return self._random.choice((0, 1_250_000 + self._random.randrange(100_000)))
        return max(0, round(self._random.gauss(190_000, 65_000)))

    def note(self) -> str:
        return self._random.choice(NOTES).format(token=self.token())

    def message(self, template: str, name: str = "there") -> str:
        text = SENTENCES[template].format(name=name, token=self.token())
        return f"{text}\n\n{self._faker.paragraph(self._random.randint(1, 6))}" if self._random.random() < 0.4 else text

    def reply(self) -> str:
        return self._random.choice(REPLIES).format(token=self.token(), day=self._faker.day_of_week())

    def token(self) -> str:
        """Letters that occur nowhere else: upper and lower case, which no hexadecimal digest mixes."""
        self._count += 1
        letters = "".join(self._random.choices(string.ascii_uppercase, k=4))
        return f"{letters}q{self._count:06d}Z"
