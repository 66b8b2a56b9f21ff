r"""The rules of the PTB tokenizer of CoreNLP 3.4.1, as patterns of our automaton.

Written anew from the published description of that tokenizer's language (PTBLexer of
github.com/stanfordnlp/CoreNLP, August 2014); a test walks through both automata side by side.
Quirks are kept, or tokens shift: `,-_` in `host` is a range, `SMILE_TEXT` is no face.
"""

from typing import NamedTuple


class TokenRule(NamedTuple):
    """A pattern, what becomes of its text (a name in ptb_actions.py), and its trailing context."""

    pattern: str
    action: str = "keep"
    context: str = ""


def _words(text: str) -> str:
    return "(" + "|".join(text.split()) + ")"


# Signs that the tokenizer's own tables leave out of the letters, mostly marks of Asian scripts.
MARKS = (
    "\u00ad\u0237-\u024f\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02ff\u0300-\u036f\u0370-\u037d\u0384"
    "\u0385\u03cf\u03f6\u03fc-\u03ff\u0483-\u0487\u04cf\u04f6-\u04ff\u0510-\u0525\u055a-\u055f"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0615-\u061a\u063b-\u063f\u064b-\u065e"
    "\u0670\u06d6-\u06ef\u06fa-\u06ff\u070f\u0711\u0730-\u074f\u0750-\u077f\u07a6-\u07b1"
    "\u07ca-\u07f5\u07fa\u0900-\u0903\u093c\u093e-\u094e\u0951-\u0955\u0962-\u0963\u0981-\u0983"
    "\u09bc-\u09c4\u09c7\u09c8\u09cb-\u09cd\u09d7\u09e2\u09e3\u0a01-\u0a03\u0a3c\u0a3e-\u0a4f"
    "\u0a81-\u0a83\u0abc-\u0acf\u0b82\u0bbe-\u0bc2\u0bc6-\u0bc8\u0bca-\u0bcd\u0c01-\u0c03"
    "\u0c3e-\u0c56\u0d3e-\u0d44\u0d46-\u0d48\u0e30-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd"
)
SYMBOLS = (
    r"+%&~\^|\\" + "\u00a6\u00a7\u00a8\u00a9\u00ac\u00ae\u00af\u00b0-\u00b3\u00b4-\u00ba\u00d7"
    "\u00f7\u0387\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0600-\u0603\u0606-\u060a\u060c\u0614\u061b"
    "\u061e\u066a\u066d\u0703-\u070d\u07f6\u07f7\u07f8\u0964\u0965\u0e4f\u1fbd\u2016\u2017"
    "\u2020-\u2023\u2030-\u2038\u203b\u203e-\u2042\u2044\u207a-\u207f\u208a-\u208e\u2100-\u214f"
    "\u2190-\u21ff\u2200-\u2bff\u3012\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)

MONTHS = _words("Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec")
DAYS = _words("Mon Tue Tues Wed Thu Thurs Fri")
# A bracketed capital is read in that case only: these states are words as well.
STATES = _words(
    "Ala Ariz [A]z [A]rk Calif Colo Conn Ct Dak [D]el Fla Ga [I]ll Ind Kans? Ky [L]a [M]ass Md "
    "Mich Minn [M]iss Mo Mont Neb Nev Okla [O]re [P]a Penn Tenn [T]ex Va Vt [W]ash Wisc? Wyo"
)
COMPANIES = _words("Inc Cos? Corp Pp?t[ye]s? Ltd Plc Rt Bancorp Bhd Assn Univ Intl Sys")
AFTER_NAMES = _words(r"Jr Sr Bros (Ed|Ph)\.D Blvd Rd Esq")
BEFORE_LOWER = _words("tel est ext sq etc al seq Bldg")
TITLES = _words(
    "Mr Mrs Ms [M]iss Drs? Profs? Sens? Reps? Attys? Lt Col Gen Messrs Govs? Adm Rev Maj Sgt Cpl "
    "Pvt Capt Ste? Ave Pres Lieut Hon Brig Co?mdr Pfc Spc Supts? Det Mt Ft Adj Adv Asst Assoc Ens "
    "Insp Mlle Mme Msgr Sfc"
)
BEFORE_CAPITAL = _words(r"vs Alex Wm Jos Cie a\.k\.a cf TREAS Ph Invt Elec Natl M[ft]g Dept")
EXTENSIONS = _words(
    "bat bmp c class cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php "
    "pl png ppt ps py sql tar txt wav x xml zip"
)
# After an acronym, these words begin a sentence (capital letter as written).
SENTENCE_STARTS = _words(
    r"[A]bout [A]ccording [A]dditionally [A]fter [A]n [A] [A]s [A]t [B]ut [E]arlier [H]e [H]er "
    r"[H]ere [H]owever [I]f [I]n [I]t [L]ast [M]any [M]ore [M]r\. [M]s\. [N]ow [O]nce [O]ne "
    r"[O]ther [O]ur [S]he [S]ince [S]o [S]ome [S]uch [T]hat [T]he [T]heir [T]hen [T]here [T]hese "
    r"[T]hey [T]his [W]e [W]hen [W]hile [W]hat [Y]et [Y]ou {tag}"
)
COUNTRIES = r"(Canada|Sino|Korean|EU|Japan|non)-U\.S|U\.S\.-(U\.K|U\.S\.S\.R)"

PARTS = {
    "attribute": r"[A-Za-z][A-Za-z0-9_:.\-]*",
    "tag": r"\<([!?][A-Za-z\-][^>\r\n]*"
    r"|{attribute}([ ]+({attribute}|{attribute}[ ]*=[ ]*('[^']*'|\"[^\"]*\")))*[ ]*\/?"
    r"|\/{attribute})[ ]*>",
    "ampersand": "&amp;",
    "space": "[ \t\u00a0\u2000-\u200a\u3000]",
    "newline": "(\r|\r?\n|\u2028|\u2029|\u000b|\u000c|\u0085)",
    "gap": "({space}|{newline})",
    "sentence_end": r"{gap}({gap}|[\u]|{tag})",
    "digit": "[\\d\u07c0-\u07c9]",
    "number": "({digit}+|{digit}*([.:,\u00ad\u066b\u066c]{digit}+)+)",
    "letter": "([\\l" + MARKS + "]|&[aeiouAEIOU](acute|grave|uml);)",
    "letter_or_digit": "({letter}|{digit})",
    "plain": r"[\l\d]",
    "word": "{letter}{letter_or_digit}*([.!?]{letter}{letter_or_digit}*)*",
    "hyphen": "[\\-_\u058a\u2010\u2011]",
    "apostrophe": "(['\u0092\u2019]|&apos;)",
    "quote_mark": "({apostrophe}|[`\u0091\u2018\u201b])",
    "prefixed": "([dDoOlL]{quote_mark}{plain})?{plain}+",
    "clitic": "({apostrophe}([msdMSD]|re|ve|ll))",
    "negated": "n{quote_mark}t",
    "slashed": "[A-Za-z0-9]+(-[A-Za-z]+){0,2}",
    "host": "[^ \t\n\u000c\r\"`'<>|.!?(){},-_$]",
    "url_char": '[^ \t\n\u000c\r"<>|()]',
    "url_end": '[^ \t\n\u000c\r"<>|.!?(){},\\-]',
    "mail_part": '[^ \t\n\u000c\r"<>|(){}.\u00a0]+',
    "acronym": rf"([A-Za-z](\.[A-Za-z])*|{COUNTRIES})",
    "long_acronym": rf"([A-Za-z](\.[A-Za-z])+|{COUNTRIES})",
    "abbreviation": rf"({MONTHS}|{DAYS}|{STATES}|{COMPANIES}|{AFTER_NAMES}|{BEFORE_LOWER})\.",
    "title": f"({TITLES}|{BEFORE_CAPITAL}|{{acronym}})",
    "inner_mark": "[,;:\u3001]",
    "any": "(\n|[^\n])",
    "phone_gap": "[\\- \u00a0]",
    "compound": "[A-Za-z0-9][A-Za-z0-9.,\u00ad]*(-([A-Za-z0-9\u00ad]+|{long_acronym}\\.))+",
    "ampersand_name": r"[A-Z]+(([+&]|{ampersand})[A-Z]+)+",
    "thing": "{prefixed}({hyphen}{prefixed})*",
}
APOSTROPHE_WORD = (
    "{apostrophe}n{apostrophe}?|[lLdDjJ]{apostrophe}|Dunkin{apostrophe}|somethin{apostrophe}"
    r"|ol{apostrophe}|{apostrophe}em|[A-HJ-XZn]{quote_mark}[\l]{2}[\l]*|{apostrophe}[2-9]0s"
    r"|{apostrophe}till?|[\l][\l]*[aeiouyAEIOUY]{quote_mark}[aeiouA-Z][\l]*|{apostrophe}cause"
    r"|cont'd\.?|'twas|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l|O{quote_mark}o"
)
PHONE = (
    "(\\([0-9]{2,3}\\)[ \u00a0]?|(\\+\\+?)?([0-9]{2,4}{phone_gap})?[0-9]{2,4}{phone_gap})"
    "[0-9]{3,4}{phone_gap}?[0-9]{3,5}"
    r"|((\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"
)
LIKELY_URL = (
    '((www\\.([^ \t\n\u000c\r"<>|.!?(){},]+\\.)+[a-zA-Z]{2,4})|(({host}+\\.)+(com|net|org|edu)))'
    r"(\/{url_char}+{url_end})?"
)
MAIL = '(&lt;|<)?[a-zA-Z0-9][^ \t\n\u000c\r"<>|()\u00a0{}]*@({mail_part}\\.)*{mail_part}(&gt;|>)?'
FRACTION = "({digit}{1,4}[\\- \u00a0])?{digit}{1,4}(\\\\?\\/|\u2044){digit}{1,4}"
OPEN_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u0091\u0092\u0093\u0094\u201e\u201f\u2039"
# The generator read `~<` outside a class as "up to the next <", across lines as well.
SMILE_TEXT = r"[\^x=~<>]\.\[\^x=[^<]*<>\]"
SMILE_FACES = (
    r"[\-\^x=~<>']_[\-\^x=~<>']|\([\-\^x=~<>'][_.]?[\-\^x=~<>']\)|\([\^x=~<>']-[\^x=~<>'`]\)"
)

RULES = (
    TokenRule("c[+][+]"),
    TokenRule("(c|f)#"),
    TokenRule("cannot", "split_3"),
    TokenRule("'twas", "split_3"),
    TokenRule("'tis", "split_2"),
    TokenRule("gonna|gotta|lemme|gimme|wanna", "split_2"),
    TokenRule("{tag}", "join_spaces"),
    TokenRule("&(MD|mdash|ndash);|[\u0096\u0097\u2013\u2014\u2015]", "dash"),
    TokenRule("{ampersand}", "ampersand"),
    TokenRule("&(HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);"),
    TokenRule("{word}", "soft_hyphens", "{clitic}"),
    TokenRule("[A-Za-z\u00ad]*[A-MO-Za-mo-z](\u00ad)*", "soft_hyphens", "{negated}"),
    TokenRule("{word}", "soft_hyphens"),
    TokenRule(APOSTROPHE_WORD),
    TokenRule("y{apostrophe}", "keep", r"[\l]"),
    TokenRule(r"https?:\/\/[^ " + '\t\n\u000c\r"<>|(){}]+{url_end}'),
    TokenRule(LIKELY_URL),
    TokenRule(MAIL),
    TokenRule("@[a-zA-Z_][a-zA-Z_0-9]*|#{letter}+"),
    TokenRule("{clitic}", "close_quotes", "[^A-Za-z]"),
    TokenRule("{negated}", "close_quotes", "[^A-Za-z]"),
    TokenRule(r"{digit}{1,2}[\-\/]{digit}{1,2}[\-\/]{digit}{2,4}"),
    TokenRule(r"[\-+]?{number}", "soft_hyphens"),
    TokenRule(
        "[\u207a\u207b\u208a\u208b]?([\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+|[\u2080-\u2089]+)"
    ),
    TokenRule(FRACTION, "join_spaces"),
    TokenRule("[\u00bc\u00bd\u00be\u2153-\u215e]", "fraction_sign"),
    TokenRule(
        r"-(RRB|LRB|RCB|LCB|RSB|LSB)-|C\.D\.s|pro-|anti-|S(&|&amp;)P-500|S(&|&amp;)Ls"
        "|Cap{apostrophe}n|c{apostrophe}est",
        "ampersand",
    ),
    TokenRule(r"{slashed}(\\?\/{slashed}){1,2}"),
    TokenRule(r"[A-Z]*\$|#"),
    TokenRule(
        "[\u00a2\u00a3\u00a4\u00a5\u0080\u20a0\u20ac\u060b\u0e3f\u20a4\uffe0\uffe1\uffe5\uffe6]",
        "currency",
    ),
    TokenRule(r"{acronym}\.", "acronym_end", "{gap}+" + SENTENCE_STARTS + "{gap}"),
    TokenRule(r"(ca|figs?|prop|nos?|art|bldg|prop|pp|op)\.", "keep", r"{gap}?[\d]"),
    TokenRule(r"(pt[eyEY]|co)\.", "keep", "{space}(ltd|lim)"),
    TokenRule("{abbreviation}", "repeat_period", "{sentence_end}"),
    TokenRule("{abbreviation}", "keep", "{any}{any}"),
    TokenRule("{abbreviation}", "repeat_period"),
    TokenRule(r"{title}\."),
    TokenRule("{title}", "keep", "{space}"),
    TokenRule("{acronym}", "keep", "{gap}"),
    TokenRule("{apostrophe}[0-9][0-9]", "keep", "{gap}"),
    TokenRule(
        r"{letter_or_digit}+([.]{letter_or_digit}+)*[.]" + EXTENSIONS, "keep", "({gap}|[.?!,])"
    ),
    TokenRule(r"{word}\.", "soft_hyphens", "{inner_mark}"),
    TokenRule(PHONE, "phone"),
    TokenRule('("|&quot;)', "open_quotes", "[A-Za-z0-9$]"),
    TokenRule('"|&quot;', "close_quotes"),
    TokenRule("\x7f", "drop"),
    TokenRule("<|&lt;", "less"),
    TokenRule(">|&gt;", "greater"),
    TokenRule(r"[<>]?[:;=][\-o*']?[()DPdpO\\{@|\[\]]", "faces", "[^A-Za-z0-9]"),
    TokenRule(SMILE_TEXT + "|" + SMILE_FACES, "faces"),
    TokenRule(r"\{", "brackets"),
    TokenRule(r"\}", "brackets"),
    TokenRule(r"\[", "brackets"),
    TokenRule(r"\]", "brackets"),
    TokenRule(r"\(", "brackets"),
    TokenRule(r"\)", "brackets"),
    TokenRule("-+", "hyphens"),
    TokenRule("\\.{3,5}|(\\.[ \u00a0]){2,4}\\.|[\u0085\u2026]", "ellipsis"),
    TokenRule("@+|#+|_+"),
    TokenRule(r"\*+|(\\\*){1,3}"),
    TokenRule("{inner_mark}"),
    TokenRule("[?!]+"),
    TokenRule("[.\u00a1\u00bf\u037e\u0589\u061f\u06d4\u0700-\u0702\u07fa\u3002]"),
    TokenRule("="),
    TokenRule(r"\/"),
    TokenRule(r"{compound}\.", "soft_hyphens", "{inner_mark}"),
    TokenRule("{compound}", "soft_hyphens"),
    TokenRule(r"{thing}\.", "keep", "{inner_mark}"),
    TokenRule("{thing}"),
    TokenRule(r"{ampersand_name}\.", "ampersand", "{inner_mark}"),
    TokenRule("{ampersand_name}", "ampersand"),
    TokenRule("'", "open_quotes", "[A-Za-z][^ \t\n\r\u00a0]"),
    TokenRule("{clitic}", "close_quotes"),
    TokenRule("{negated}", "close_quotes"),
    TokenRule(f"{{apostrophe}}|''|[`{OPEN_QUOTES}\u203a\u00ab\u00bb]{{1,2}}", "close_quotes"),
    TokenRule("<<|>>"),
    TokenRule("[" + SYMBOLS + "]"),
    TokenRule("\0|{space}+|[\u200b\u200e-\u200f\ufeff]", "drop"),
    TokenRule("{newline}", "newline"),
    TokenRule("&nbsp;", "drop"),
    TokenRule("[^\n]", "drop"),
)
