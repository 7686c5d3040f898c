"""What to do about a code with which Kinesis refuses: for a log, once, and for an error at the start.

Belongs here: codes and sentences. Not here: repeating (relay/flight.py): all of these are repeated without end.
"""

from __future__ import annotations

STALE = frozenset(
    {"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"}
)
"""Codes after which credentials are read anew: they have run out, were exchanged, or do not belong together while they are being exchanged."""

_CLOCK = "the signature's time is refused: set this machine's clock (NTP), it may not differ by more than 5 minutes"
_CREDENTIALS = (
    "the credentials have run out or are not known: they are read anew with each try, so renew them where they come from"
)
_RIGHTS = "allow kinesis:PutRecords on this stream to the publisher's role"

REMEDIES = {
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "SignatureDoesNotMatch": f"{_CLOCK}; or the secret key is not the one of the access key",
    "InvalidSignatureException": f"{_CLOCK}; or the secret key is not the one of the access key",
    "ExpiredTokenException": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "NoCredentialsError": _CREDENTIALS,
    "AccessDeniedException": _RIGHTS,
    "ResourceNotFoundException": "there is no such stream any more: create it again, or correct LAKE_STREAM and the region",
    "ProvisionedThroughputExceededException": "a shard is full: more shards, or on demand; one key alone never leaves its shard",
    "KMSAccessDeniedException": "allow the publisher's role to use the key that encrypts the stream",
    "EndpointConnectionError": "check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and the network",
}


def remedy_for(code: str) -> str:
    """A sentence, also for a code that is not known."""
    return REMEDIES.get(code, "see Kinesis' documentation of this code; it is tried again without end")
