"""Descriptor -> `folded`, which rules see, and `key`, which cache and model see.

STEPS is the whole of it: an ordered list of named steps, each of which can be switched off. A step is data
(polars string methods with their arguments), so that the fingerprint can name it. Steps at the same end of
the text run as one expression, over and over until nothing more comes off: "NAME #12 AUSTIN TX 78701 USA"
has four tails.

A step that few rows can need runs on those rows only, found by a search for a literal, and a large batch is
split over the cores.

`key` is a function of the descriptor, not of `folded`: two steps read the padding of the card field, which
folding takes away. With `spaced-star` and `city-field` switched off it is a function of `folded`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Literal

import polars as pl

from tierbreak.core.tables import NORMALISED
from tierbreak.errors import SettingsError

#: The longest key, in characters. Longer descriptors are lists of fields: the name stands near the front.
KEY_CHARS = 128

#: From so many rows on, splitting the work over the cores saves more than it costs.
LARGE = 20_000

_DATE = (
    "(?:[0-9X]{2}[/-][0-9X]{2}(?:[/-](?:[0-9X]{4}|[0-9X]{2}))?"
    "|[0-9]{2}(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[0-9]{2})"
)
_PHONE = r"(?:1-)?\(?[0-9X]{3}\)?[-. ][0-9X]{3}-?[0-9X]{4}|[0-9X]{3}-[0-9X]{3}(?:-[0-9X]{0,3})?"
_NUMBER = "(?:[0-9]{3,}|0[0-9])"
#: State codes that are also words or the ends of names: "SMITH & CO", "CHECK IN", "CASA DE", "CHERWELL DC".
_WORDY = "(?:AL|CO|DC|DE|HI|ID|IN|LA|MA|ME|MO|MS|OH|OK|OR|PA|PR)"
_SURE = "(?:A[KRZ]|C[AT]|FL|GA|I[AL]|K[SY]|M[DINT]|N[CDEHJMVY]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
_STATE = f"(?:{_WORDY}|{_SURE})"
#: Large US cities. In a card's city field they are cut at 13 characters.
_CITIES = """
ALBUQUERQUE|ALEXANDRIA|ANAHEIM|ANCHORAGE|ANN ARBOR|ARLINGTON|ATLANTA|AUSTIN|BAKERSFIELD|BALTIMORE|BATON ROUGE|BELLEVUE|
BERKELEY|BIRMINGHAM|BOISE|BOSTON|BOULDER|BROOKLYN|BRONX|BUFFALO|CAMBRIDGE|CHANDLER|CHARLESTON|CHARLOTTE|CHATTANOOGA|
CHICAGO|CHULA VISTA|CINCINNATI|CLEVELAND|COLORADO SPRINGS|COLUMBUS|CORPUS CHRISTI|CUPERTINO|DALLAS|DAYTON|DENVER|
DES MOINES|DETROIT|DURHAM|EL PASO|EUGENE|FAYETTEVILLE|FORT LAUDERDALE|FORT WAYNE|FORT WORTH|FREMONT|FRESNO|GLENDALE|
GRAND RAPIDS|GREENSBORO|HARTFORD|HENDERSON|HIALEAH|HONOLULU|HOUSTON|HUNTINGTON BEACH|HUNTSVILLE|INDIANAPOLIS|IRVINE|
JACKSONVILLE|JERSEY CITY|KANSAS CITY|KNOXVILLE|LAREDO|LAS VEGAS|LEXINGTON|LITTLE ROCK|LONG BEACH|LOS ANGELES|LOS GATOS|
LOUISVILLE|LUBBOCK|MEMPHIS|MESA|MIAMI|MILWAUKEE|MINNEAPOLIS|MODESTO|MONTGOMERY|MOUNTAIN VIEW|NASHVILLE|NEW ORLEANS|
NEW YORK|NEWARK|NORFOLK|NORTH LAS VEGAS|OAKLAND|OKLAHOMA CITY|OMAHA|ORLANDO|OVERLAND PARK|PALO ALTO|PASADENA|
PHILADELPHIA|PHOENIX|PITTSBURGH|PLANO|PORTLAND|PROVIDENCE|RALEIGH|REDMOND|RENO|RICHMOND|RIVERSIDE|ROCHESTER|SACRAMENTO|
SAINT LOUIS|SAINT PAUL|SALT LAKE CITY|SAN ANTONIO|SAN BERNARDINO|SAN DIEGO|SAN FRANCISCO|SAN JOSE|SAN MATEO|SANTA ANA|
SANTA CLARA|SANTA MONICA|SAVANNAH|SCOTTSDALE|SEATTLE|SHREVEPORT|SPOKANE|ST LOUIS|ST PAUL|ST PETERSBURG|STOCKTON|
SUNNYVALE|SYRACUSE|TACOMA|TALLAHASSEE|TAMPA|TEMPE|TOLEDO|TUCSON|TULSA|VIRGINIA BEACH|WICHITA|WILMINGTON|WINSTON SALEM|
WORCESTER|YONKERS
"""
_CITY = "(?:" + "|".join(dict.fromkeys(city[:13].strip() for city in _CITIES.replace("\n", "").split("|"))) + ")"

#: Facilitators whose name stands before a star; IC is Instacart, DD DoorDash, EB Eventbrite, SP Shopify.
_FACILITATOR = (
    r"SQ|TST|PAYPAL|PP|SP(?:\+AFF)?|EB|IC|DD|WPY|2CO\.COM|ADY|FS|PADDLE\.NET|KLARNA|CKO|LEVELUP|CF|FSI|IN|SUMUP|IZ"
    "|ZETTLE_?|ZTL|USA|BLK|SPI"
)
#: Numbers, masks and dates that a bank's wrapper carries: card number, terminal, trace, day.
_TRACE = f"(?: (?:#?[0-9X]{{4,}}|{_DATE}|POS[0-9X]{{4,}}))*"
_BANK = (
    r"CHECK ?CARD(?: PURCHASE| CREDIT -)?:?"
    r"|(?:(?:RECURRING|MOBILE|ONLINE|DEBIT|CREDIT|CHECK|VISA|POS|PIN|CARD) )*PURCHASE(?: AUTHORIZED ON| AT| -)?"
    r"|(?:RECURRING )?PAYMENT AUTHORIZED ON"
    r"|(?:POS|PIN) (?:DEBIT|PUR|POS|WITHDRAWAL)(?: ?- ?VISA CHECK CARD| ?-)?"
    r"|(?:DBT|CKCD) (?:CRD|PURCHASE|DEBIT)|WITHDRAWAL DEBIT CARD|VISA DDA PUR|DDA RECUR POS PUR|CARD TRANSACTION :"
    r"|CARD PAYMENT TO|ACH (?:DEBIT|PAYMENT|WITHDRAWAL)(?: /)?"
)

#: Two spaces, city and state: the city is cut at 13 characters, and only then is the state glued to it.
_FIELD = rf"  (?i-u:[A-Z][A-Z .'-]{{1,11}} +{_STATE}|[A-Z][A-Z .'-]{{12}}{_STATE})(?:~~.*|\s*)$"

#: Calls of polars string methods: (method, argument, ...). One of our own: (replace_where, condition, pattern, value),
#: which keeps long captures out of `replace`: they cost ten times the search.
Calls = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Step:
    """One named step.

    name   what `off` calls it
    of     which text it is part of: a step of `folded` shapes `key` as well
    says   what it does, in one line
    at     what it works on. `text`: any text; `untidy`: one with control characters or more than single spaces;
           `unicode`: one that is not ASCII; `raw`: the descriptor before it is folded; `fields`, `stars`,
           `numbers`: a text that has a field mark, a star, a long number; `start`, `end`: that end of the text
    how    calls of polars string methods; for `start` and `end` a regular expression of what comes off
    """

    name: str
    of: Literal["folded", "key"]
    says: str
    at: Literal["unicode", "text", "untidy", "raw", "fields", "start", "stars", "end", "numbers"]
    how: Calls | str


# No form of these in NFKD; each has one ASCII spelling.
_LETTERS = {
    "ẞ": "SS", "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "Ħ": "H", "Ŧ": "T", "Ŋ": "NG",
    "Ɨ": "I", "Ƶ": "Z", "Ƀ": "B", "Ǥ": "G",
}  # fmt: skip
_SIGNS = dict.fromkeys("‘’‚‛′ʹʼ", "'") | dict.fromkeys("“”„‟″", '"') | dict.fromkeys("‐‑‒–—―−", "-") | {"⁄": "/"}

#: In the order in which they run.
STEPS: tuple[Step, ...] = (
    Step("compatibility", "folded", "full-width letters, ligatures and other compatibility forms become plain ones",
         "unicode", (("replace_all", "´", "'"), ("normalize", "NFKD"))),
    Step("case", "folded", "upper case, of every script that has one", "text", (("to_uppercase",),)),
    Step("signs", "folded", "curly quotes and long dashes become ASCII ones", "unicode",
         (("replace_many", tuple(_SIGNS), tuple(_SIGNS.values())),)),
    Step("separators", "folded", "whitespace, control and format characters of any script become a space",
         "unicode", (("replace_all", r"[\s\p{Cc}\p{Cf}\p{Z}]+", " "),)),
    Step("marks", "folded", "accents come off where an ASCII letter is left; other scripts keep theirs", "unicode",
         (("normalize", "NFD"), ("replace_many", tuple(_LETTERS), tuple(_LETTERS.values())),
          ("replace_all", r"([\x00-\x7F])\p{M}+", "$1"))),
    Step("composed", "folded", "letter and mark become one character again", "unicode", (("normalize", "NFC"),)),
    Step("spaces", "folded", "ASCII whitespace and control characters become one space, none at the ends", "untidy",
         (("replace_all", r"[\x00-\x20\x7F]{2,}|[\x00-\x1F\x7F]", " "), ("strip_chars", " "))),

    Step("spaced-star", "key", "a facilitator's star that became a space is put back: two spaces show it", "raw",
         (("replace", r"^\s?(?i:(SQ|TST|PAYPAL|PP|SP|EB|IZ|ZTL|SUMUP))  (\S)", "$1 *$2"),)),
    Step("city-field", "key", "city and state of the card's fixed-width field, shown by the padding before them", "raw",
         (("replace_where", f"^[!-~][ -~]{{19,22}}{_FIELD}", _FIELD, ""),)),
    Step("ach", "key", "ACH fields DES, ID, INDN, CO ID; an ID of letters only is a name and stays", "fields",
         (("replace", " DES:.*? ID:((?:X?[A-WYZ])[A-Z .&']+) (?:INDN|CO ID):.*$", " $1"),
          ("replace", " (?:DES:|INDN:|CO ID:|ORIG ID:|(?:PPD|WEB|CCD|TEL|CTX|ARC|POP|BOC|RCK) ID:|TYPE: ).*$", ""))),
    Step("tildes", "key", "fields behind `~~`", "fields", (("replace", "([^~ ]) ?~~.*$", "$1"),)),
    Step("bank", "key", "the bank's words in front: POS DEBIT, PURCHASE AUTHORIZED ON 07/15", "start",
         f"(?:{_BANK}){_TRACE}(?: [-,:])? |ORIG CO NAME: ?"),
    Step("name-twice", "key", "the name's first printing, cut at 15: SPEEDWAY SUPER 05/07 #000900000 PURCHASE", "start",
         f".{{1,18}}? {_DATE} #[0-9X]{{5,}} PURCHASE "),
    Step("uk-card", "key", "card number, day and comma in front: 9680 13JUN14 , TESCO", "start",
         f"[0-9X]{{4}} {_DATE} (?:CD? )?, "),
    Step("wallet", "key", "APLPAY and GPAY in front", "start", "(?:APLPAY|GPAY) "),
    Step("facilitator", "key", "the facilitator in front: SQ *, TST*, PAYPAL *, PAYPAL INST XFER", "start",
         rf"(?:{_FACILITATOR}) ?\* ?|PAYPAL ?\*? ?INST XFER |DD DOORDASH |ZETTLE_ ?"),
    Step("number-first", "key", "a number or a sign in front: #01026 ALBERTSONS", "start",
         "#[0-9X]+ |(?:0[0-9]{3,}|[0-9]{5,}|X{4,}) |[-*,;:/|] ?"),
    Step("order-id", "key", "order ids behind a star: the brand stands on the left", "stars",
         (("replace_all", r"(AMZN MKTP(?: US| UK| CA)?|AMAZON\.COM|AMAZON PRIME|AUDIBLE|KINDLE SVCS|PRIME VIDEO)"
                          r"(?: ?\*[A-Z0-9]*)+", "$1"),
          ("replace_all", r"([A-Z.])(?: ?\*[A-Z]{0,8}[0-9][A-Z0-9]*[0-9][A-Z0-9]*)+([^A-Z0-9]|$)", "$1$2"))),
    Step("loose-star", "key", "a star beside a space becomes a space; one inside a name (MACY*S) stays", "stars",
         (("replace_all", r"(?: \*+|\*+ )[ *]*", " "), ("strip_chars", " "))),
    Step("store", "key", "store numbers and acquirers' lane tags: #0397, T0321, M5461 OF, Q35", "end",
         rf" ?# ?[0-9X]+| {_NUMBER}| [A-Z][0-9]{{3,7}}(?: OF)?| (?:[QT][0-9]{{2,3}}|QPS)|[0-9]{{7,}}(?:-[A-Z])?"),
    Step("phone", "key", "telephone numbers", "end", rf" ?(?:{_PHONE})| TEL ?\+?[0-9]{{6,}}"),
    Step("date", "key", "days and times", "end",
         rf" (?:ON |DATE )?(?:{_DATE}|[0-9X]{{2}}:[0-9X]{{2}}(?::[0-9X]{{2}})?|/[0-9]{{2}}%*)| ON [0-9X]{{6}}"
         "| TRAN DATE/TIME: [0-9/]+"),
    Step("reference", "key", "card masks, terminals, traces: S380000000000000 CARD 1234, SEQ# 12, XXXX0025", "end",
         r" (?:S[0-9X]{12,}|(?:FROM )?CARD ?#?:? ?(?:[0-9X*]{4,}|[0-9X]{2} #[0-9X]{4})|X{3,}[0-9X]*|\*{2,}[0-9X]*"
         r"|SEQ ?# ?[0-9X]+|(?:TR )?REF ?[#:] ?[A-Z0-9]+|CONF(?:IRMATION)?# ?[A-Z0-9]+|(?:%% )?ACH TRACE.*)"),
    Step("state", "key", "city, state, ZIP and USA, where it is clear that they are", "end",
         rf" {_SURE}(?: ?USA?)?| USA| {_STATE} ?USA?|,? ?{_CITY},? ?{_STATE}"
         rf"| #[0-9]{{2,6}}(?: [A-Z.'-]+){{1,3}} {_STATE}"
         rf"|(?: {_NUMBER}|(?:{_PHONE})) ?{_STATE}| {_STATE} [0-9]{{5}}| [0-9]{{5}}-[0-9]{{4}}|, {_STATE}"
         f"| {_STATE} (?:[0-9X]{{23}}|S[0-9X]{{15}})| X{{4,}} {_STATE}"),
    Step("country", "key", "where it was, as UK banks say it: , BEDFORD GB - POS", "end",
         " GBR|, [A-Z .'-]{2,} GB(?: - POS)?"),
    Step("uk-tail", "key", "card and day behind the name: CD 5347 14SEP19 DEB", "end",
         f" CD [0-9X]{{4}}(?: {_DATE})?(?: DEB)?"),
    Step("exchange", "key", "the amount in another currency: AMT 105.98 UNITED STATES DOLLAR", "end",
         r" AMT [0-9]+[.,][0-9]{2} [A-Z][A-Z0-9 .,-]*"),
    Step("site", "key", "where to ask about a bill: AMZN.COM/BILL, G.CO/HELPPAY#", "end",
         r" (?:[A-Z0-9-]+\.[A-Z]{2,4}/(?:B[A-Z]*)?|AMZN\.COM(?: B[A-Z]*)?|G\.CO/[A-Z]*#?|MSBILL\.INFO|GOSQ\.COM)"),
    Step("bank-tail", "key", "the bank's words behind: CHECKCARD PURCHASE, DEBIT FOR CHECKCARD", "end",
         " ?(?:CHECK ?CARD PURCHASE|DEBIT CARD (?:PURCHASE|WITHDRAWAL)|US CARD PURCHASE|DEBIT FOR CHECKCARD)"
         "| PURCHASE"),
    Step("signs-last", "key", "separators that stand last", "end", "[ ,;:/|*?-]"),
    Step("number", "key", "numbers, masks and telephones between words: TARGET 00009183 HURST", "numbers",
         (("replace_all", rf"(?: (?:#[0-9X]+|0[0-9]{{4,}}|[0-9]{{5,}}|X{{4,}}[0-9X]*|T0[0-9]{{3}}|{_DATE}|{_PHONE}))+ ",
           " "),)),
)  # fmt: skip

#: Where a text ends so, what came off was part of the name: UNIVERSITY OF | CHICAGO IL.
_OPEN_END = "(?:^| )(?:OF|THE|DE|AND|&|AT|IN|FOR)$"
#: Nothing is left that could name a brand: ASCII without a letter, but for a state's code. Not `\P{L}`: in a batch
#: of one, so large a class doubled the time of the search (91 microseconds, 44 without it).
_NO_LETTER = r"[\x00-@\[-`{-\x7F]*"
_NAMELESS = f"^{_NO_LETTER}(?:{_STATE}(?: ?USA?)?)?{_NO_LETTER}$"
_CONTROL = r"[\x00-\x1F\x7F]"


@dataclass(frozen=True)
class _Stage:
    """Part of a plan: columns that are computed, by name, for all rows or for those where column `needs` is true."""

    columns: dict[str, pl.Expr]
    needs: str | None = None


def normalise(descriptors: pl.Series, *, off: frozenset[str] = frozenset()) -> pl.DataFrame:
    """What rules see and what cache and model see of each descriptor.

    descriptors   String [n], no nulls; give distinct ones, the work is done for every row
    off           names of steps that do not run
    returns       NORMALISED [n], same order. `folded` has no control characters and no whitespace but single
                  spaces (with every step on). `key` is at most KEY_CHARS characters, and is empty only where
                  the descriptor is blank: where nothing would be left, less is taken away.

    A row's result depends on that row only. Raises SettingsError where `off` names no step.

    >>> normalise(pl.Series(["Caf\u00e9  Ro\u00dfi", "SQ *BLUE HERON CAFE #12 AUSTIN TX"])).rows()
    [('CAFE ROSSI', 'CAFE ROSSI'), ('SQ *BLUE HERON CAFE #12 AUSTIN TX', 'BLUE HERON CAFE')]
    """
    return _on_all_cores(descriptors, _plan(checked(off)), NORMALISED.names())


def folded(descriptors: pl.Series, *, off: frozenset[str] = frozenset()) -> pl.Series:
    """`folded` of `normalise` alone, at a seventh of the cost.

    >>> folded(pl.Series(["Caf\u00e9  Ro\u00dfi"])).to_list()
    ['CAFE ROSSI']
    """
    stages = tuple(stage for stage in _plan(checked(off)) if "folded" in stage.columns)
    return _on_all_cores(descriptors, stages, ["folded"])["folded"]


def _on_all_cores(descriptors: pl.Series, plan: tuple[_Stage, ...], columns: list[str]) -> pl.DataFrame:
    if len(descriptors) < LARGE:
        return _run(descriptors, plan).select(columns)
    cores = pl.thread_pool_size()
    size = -(-len(descriptors) // cores)
    parts = [descriptors.slice(start, size) for start in range(0, len(descriptors), size)]
    with ThreadPoolExecutor(cores) as pool:
        return pl.concat(pool.map(lambda part: _run(part, plan).select(columns), parts))


def stats(descriptors: pl.Series, *, off: frozenset[str] = frozenset()) -> pl.DataFrame:
    """How many distinct texts each step saves on these descriptors, in the order in which steps run.

    returns   one row a step that is on: step, of, distinct_before, distinct_after, saved. A step of `folded` counts
              folded texts, a step of `key` keys; steps are added one after the other.

    >>> stats(pl.Series(["WAL-MART #0397", "Wal-Mart #12"])).filter(pl.col("saved") > 0).rows()
    [('store', 'key', 2, 1, 1)]
    """
    gone = checked(off)
    running = [step for step in STEPS if step.name not in gone]
    names = frozenset(step.name for step in STEPS)
    rows = []
    before = {"folded": descriptors.n_unique()}
    done: set[str] = set()
    for step in running:
        done.add(step.name)
        after = normalise(descriptors, off=names - done)[step.of].n_unique()
        start = before.get(step.of, before["folded"])
        rows.append((step.name, step.of, start, after, start - after))
        before[step.of] = after
    schema = {"step": pl.String, "of": pl.String, "distinct_before": pl.Int64, "distinct_after": pl.Int64,
              "saved": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def fingerprint(off: frozenset[str] = frozenset()) -> str:
    """sha256, in hex, of every step and its patterns, in order, and of what is switched off."""
    gone = checked(off)
    what = repr([(step.name, step.of, step.at, step.how) for step in STEPS]) + repr((KEY_CHARS, _OPEN_END, _NAMELESS))
    return hashlib.sha256((what + repr(sorted(gone))).encode()).hexdigest()


def checked(off: Iterable[str]) -> frozenset[str]:
    """`off` as a set; raises SettingsError that names the nearest step for each name that is none.

    >>> checked(["tilde"])
    Traceback (most recent call last):
        ...
    tierbreak.errors.SettingsError: no normaliser step is called 'tilde'; did you mean 'tildes'?
    """
    names = [step.name for step in STEPS]
    wrong = []
    for name in sorted(set(off) - set(names)):
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
        wrong.append(f"no normaliser step is called {name!r}; did you mean {near[0]!r}?")
    if wrong:
        raise SettingsError("\n".join(wrong))
    return frozenset(off)


def _run(descriptors: pl.Series, plan: tuple[_Stage, ...]) -> pl.DataFrame:
    """Run the stages in order, each on the rows that need it."""
    frame = descriptors.alias("raw").to_frame()
    for stage in plan:
        if stage.needs is None or frame[stage.needs].all():  # all: a single row, for which each call counts
            frame = frame.with_columns(**stage.columns)
        elif frame[stage.needs].any():
            rows = frame[stage.needs].arg_true()
            part = frame[rows].select(**stage.columns)
            frame = frame.with_columns(frame[column.name].scatter(rows, column) for column in part)
    return frame


@lru_cache(maxsize=64)
def _plan(off: frozenset[str]) -> tuple[_Stage, ...]:
    """The stages for the steps that are on."""
    steps = [step for step in STEPS if step.name not in off]
    raw, folded, whole, key, short = (pl.col(name) for name in ("raw", "folded", "whole", "key", "short"))

    def calls(text: pl.Expr, *, of: str = "key", at: str | None = None) -> pl.Expr:
        for step in steps:
            if step.of == of and at in (None, step.at) and not isinstance(step.how, str):
                text = reduce(_call, step.how, text)
        return text

    def start(text: pl.Expr) -> pl.Expr:
        each = "|".join(str(step.how) for step in steps if step.at == "start")
        return text.str.replace(f"^(?:{each})+", "") if each else text

    def end(text: pl.Expr) -> pl.Expr:
        each = "|".join(str(step.how) for step in steps if step.at == "end")
        return text.str.replace(f"(?:{each})+$", "") if each else text

    def holds(text: pl.Expr, *literals: str) -> pl.Expr:
        return reduce(or_, (text.str.contains(literal, literal=True) for literal in literals))

    # What a stage needs is looked for as early as may be, several at once: a search too many costs a row less than
    # a call of polars costs a batch of one.
    of_raw = {
        "untidy": holds(raw, "  ") | raw.str.contains(_CONTROL) | raw.str.starts_with(" ") | raw.str.ends_with(" "),
        "foreign": raw.str.len_bytes() != raw.str.len_chars(),
        "padded": holds(raw, "  "),
    }
    of_whole = {
        "fielded": holds(whole, ":", "~~"),
        "starred": holds(whole, "*"),
        "long": whole.str.len_bytes() > KEY_CHARS,
    }
    inner = [step.how[0][1] for step in steps if step.at == "numbers"]
    again = end(start(calls(calls(key, at="numbers"), at="fields")))
    return (
        _Stage({"folded": calls(raw, of="folded", at="text"), **of_raw}),
        _Stage({"folded": calls(folded, of="folded", at="untidy")}, "untidy"),
        _Stage({"folded": calls(raw, of="folded")}, "foreign"),
        _Stage({"whole": folded}),
        _Stage({"whole": calls(calls(raw, at="raw"), of="folded")}, "padded"),
        _Stage({"key": whole, **of_whole}),
        _Stage({"key": calls(key, at="fields")}, "fielded"),
        _Stage({"key": start(key)}),
        # A field, or one more thing that comes off an end, may stand behind a star or a number.
        _Stage({"key": start(calls(calls(key, at="stars"), at="fields"))}, "starred"),
        _Stage({"key": _cut(key)}, "long"),
        _Stage({"key": end(key), "short": key}),
        *[_Stage({"numbered": key.str.contains(pattern)}) for pattern in inner],
        *[_Stage({"key": again}, "numbered") for _ in inner],
        _Stage({"nameless": key.str.contains(f"{_NAMELESS}|{_OPEN_END}")}),
        _Stage({"key": pl.when(short.str.contains(_NAMELESS)).then(_cut(whole)).otherwise(short)}, "nameless"),
    )


def _call(text: pl.Expr, call: tuple[Any, ...]) -> pl.Expr:
    """Make one of the calls of a step."""
    method, *args = call
    if method == "replace_where":
        where, pattern, value = args
        return pl.when(text.str.contains(where)).then(text.str.replace(pattern, value)).otherwise(text)
    called = getattr(text.str, method)(*(list(arg) if isinstance(arg, tuple) else arg for arg in args))
    assert isinstance(called, pl.Expr)
    return called


def _cut(text: pl.Expr) -> pl.Expr:
    """At most KEY_CHARS characters, cut between words where there is a space."""
    whole_words = text.str.head(KEY_CHARS + 1).str.replace(" [^ ]*$", "").str.head(KEY_CHARS)
    return pl.when(text.str.len_chars() > KEY_CHARS).then(whole_words).otherwise(text)
