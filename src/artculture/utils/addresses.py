"""Web and store addresses without what gives access: user names, passwords and values of their queries."""

import re
from collections.abc import Callable

HIDDEN = "***"
# An address in a text ends at whitespace, a quote or an angle bracket.
ADDRESS = re.compile(r"""\b([a-z][a-z0-9+.-]*://)([^\s"'<>`\\]+)""", re.IGNORECASE)
# Keys of queries whose values say what is asked for. All others may be tokens or signatures.
HARMLESS = frozenset(
    {
        "accession", "accession_number", "accessionnumber", "artists", "asc", "author", "cc0", "classification",
        "count", "crop", "culture", "date", "datebegin", "dateend", "departmentid", "desc", "download", "facets",
        "fields", "filter", "fit", "fm", "format", "from", "geolocation", "h", "has_image", "hasimage",
        "hasimages", "height", "id", "ids", "image", "imageid", "ishighlight", "isonview", "ispublicdomain",
        "items", "lang", "language", "limit", "locale", "medium", "name", "object", "objectid", "offset", "order",
        "orientation", "page", "page_size", "pagesize", "per_page", "period", "place", "q", "qf", "quality",
        "query", "rev", "revision", "rotation", "rows", "search", "size", "skip", "sort", "start", "tags", "term",
        "text", "title", "to", "type", "v", "version", "view", "w", "width",
    }
)  # fmt: skip

CONTAINERS = ("abfs://", "abfss://", "wasb://", "wasbs://")


def has_access_data(text: str) -> bool:
    """Return whether an address in the text holds user info or a query value that may give access."""
    return any(_shown(found) != found[0] for found in ADDRESS.finditer(text))


def hidden_addresses(text: str) -> str:
    """Return the text with user info and query values of its addresses replaced by `***`, except harmless ones."""
    return ADDRESS.sub(_shown, text)


def stored_address(address: str) -> str:
    """Return an address without user info and without the query values that may give access."""
    return ADDRESS.sub(lambda found: _rewritten(found, "", lambda _: ""), address)


def without_user_info(address: str) -> str:
    """Return an address without user name and password."""
    return ADDRESS.sub(lambda found: found[1] + _split_user(found)[1], address)


def _shown(found: re.Match[str]) -> str:
    return _rewritten(found, f"{HIDDEN}@", lambda key: f"{key}={HIDDEN}")


def _rewritten(found: re.Match[str], user_mark: str, replaced: Callable[[str], str]) -> str:
    user, rest = _split_user(found)
    base, mark, query = rest.partition("?")
    base, fragment_mark, fragment = base.partition("#") if not mark else (base, "", "")
    if not mark and "=" in fragment:  # some services return tokens as the fragment
        mark, query = fragment_mark, fragment
    elif fragment_mark:
        base += fragment_mark + fragment
    pairs = [_pair(part, replaced) for part in re.split("[&;#?]", query)] if query else []
    query = "&".join(pair for pair in pairs if pair)
    return found[1] + (user_mark if user else "") + base + (mark + query if query else "")


def _pair(part: str, replaced: Callable[[str], str]) -> str:
    key, equals, value = part.partition("=")
    # `query[term][a]=b` asks as `query=…` does.
    harmless = not value or key.partition("[")[0].partition("%5B")[0].casefold() in HARMLESS or value == HIDDEN
    # A part without `=` may be a token too, unless it is a short word.
    if not equals and len(key) > 24:
        return replaced("")
    return part if harmless else replaced(key)


def _split_user(found: re.Match[str]) -> tuple[str, str]:
    """Return user info and the remaining address; the password may hold any character."""
    rest = found[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if not at and re.search(r"^[^\[]*:(?!\d*$)", authority):  # no port follows: the password continues after a `/`
        user, at, _ = rest.rpartition("@")
    # Azure's stores write `container@account`, which is no user.
    names_a_container = found[1].lower() in CONTAINERS and ":" not in user
    return (user, rest[len(user) + 1 :]) if at and not names_a_container else ("", rest)
