"""The steps of the normaliser, as data: what each is called, what it takes off, in which order they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
OPEN_END = "(?:^| )(?:OF|THE|DE|AND|&|AT|IN|FOR)$"
#: Nothing is left that could name a brand: ASCII without a letter, but for a state's code. Not `\P{L}`: in a batch
#: of one, so large a class doubled the time of the search (91 microseconds, 44 without it).
_NO_LETTER = r"[\x00-@\[-`{-\x7F]*"
NAMELESS = f"^{_NO_LETTER}(?:{_STATE}(?: ?USA?)?)?{_NO_LETTER}$"
CONTROL = r"[\x00-\x1F\x7F]"
