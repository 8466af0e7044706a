"""Key names that clients and servers have disagreed about."""

# A file system can hold these, so every file-copying client meets them.
FILE_NAMES = [
    "with space.txt",
    "plus+plus",
    "percent%41",
    "100%",
    "%2F-literal",
    "ünïcödé-ß",
    "日本語/ファイル.txt",
    "emoji-🦀",
    "quote'and\"double",
    "amp&semi;eq=at@",
    "hash#question?",
    "paren(1)[2]{3}",
    "tilde~excl!star*dollar$",
    "comma,colon:",
    "<xml>&amp;",
    "a b/c d/e f",
    ".dot/..dots..",
    " leading and trailing ",
]

# These only exist as keys: no file system has them.
KEY_NAMES = [
    "a",
    "a/",
    "a/b",
    "a//b",
    "//",
    "/leading",
    "trailing/",
    "x/./y",
    "x/../y",
    "back\\slash",
    "combining-é-é",
    "k" * 1024,
]

# Control characters cannot stand in XML as they are: listings must encode them.
CONTROL_NAMES = ["line\nbreak", "tab\there", "ctl-\x01-end", "cr\rend"]
