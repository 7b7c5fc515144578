"""Whose certificates are believed in calls to addresses that came from outside: public authorities, and the operator's.

A certificate that does not hold is told in a sentence that says what is wrong with it and who can mend it.
"""

import ssl
from pathlib import Path

import httpcore

from landbridge.errors import InvalidSettings, Unreachable

FOR_ANOTHER = frozenset({62, 64})  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
NOT_TODAY = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def require_authorities(path: Path) -> None:
    """Refuse a file that holds no certificates. Raises InvalidSettings."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # what OpenSSL raises is one, too
        said = error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else "no certificate is in it"
        raise InvalidSettings(
            f"The authorities cannot be read: {said}.", where=str(path), hint="Give certificates in PEM form."
        ) from None


def trusting(authorities: Path | None) -> ssl.SSLContext:
    """A context that believes public authorities, and those in the operator's file."""
    context = httpcore.default_ssl_context()
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


def distrust(error: BaseException, host: str) -> Unreachable | None:
    """What a person is told of a certificate that does not hold; None where that is not the trouble."""
    while not isinstance(error, ssl.SSLError):  # httpcore raises its own errors of it
        behind = error.__cause__ or error.__context__
        if behind is None:
            return None
        error = behind
    if not isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(f"{host} does not speak TLS as it should: {error.reason or error}.")
    if error.verify_code in FOR_ANOTHER:
        return Unreachable(
            f"The certificate of {host} is for another name.", hint="Use the name that it is for, or have it renewed."
        )
    if error.verify_code in NOT_TODAY:
        return Unreachable(f"The certificate of {host} is not valid today.", hint="Have it renewed.")
    return Unreachable(
        f"The certificate of {host} is of no trusted authority ({error.verify_message}).",
        hint="The operator names the authority:  landbridge serve --ca-file FILE.",
    )
