"""Texts that were something else to somebody: a path, a statement, a format, a line of a log. Made here, 500 and more."""

import unicodedata

# fmt: off
TEXTS = [
    '../../../../etc/passwd', '..\\..\\windows\\win.ini', '/etc/passwd\x00.png', 'file:///etc/passwd', 'CON', 'NUL.txt', 'a/b/c',
    '~root', '$HOME', '${HOME}', '`id`', '$(id)', '; id', '| id', '&& id', '\n id', "' OR '1'='1", "'; DROP TABLE events; --",
    '" OR ""="', '1; SELECT pg_sleep(1)', "x' UNION SELECT NULL--", '/**/', '--', '%s%s%s%n', '%d%x%p', '%08x', '%%', '{0}',
    '{{7*7}}', '${7*7}', '#{7*7}', '<%= 7*7 %>', '${jndi:ldap://h/a}', '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>', 'javascript:alert(1)', '<!--', '-->', ']]>', '<![CDATA[', '&amp;&lt;', '&#0;', '&#x1F600;',
    '=1+1', '@SUM(1)', '+1', '-1', '\t=1', 'null', 'undefined', 'None', 'nil', 'true', 'false', 'NaN', 'Infinity', '-Infinity',
    '0', '-0', '00', '1e309', '0x1f', '1_000', '1,000', '\u0661\u0662', '9223372036854775808', '__proto__', 'constructor',
    'toString', 'hasOwnProperty', 'label="x"', 'label="x",other="y"', '} 1\npurser_events_total 99', 'a{b="c"}', 'a\\', 'a\\"',
    'a"', '# HELP x y', '\\n', '\\u0000', '\\x00', '\\', '\\\\', '"', "'", '`', "''", '""', '\u201c\u201d', '\xb4', '[]', '{}',
    '[1,2]', '{"a":1}', '[', '{', ':', ',', ';', '.', '..', '...', '*', '?', '**', '[a-z]', '(a+)+$', '^$', '.*', '\\d+',
    '(?<x>)', 'a b', ' a', 'a ', ' ', '  ', 'a  b', '\xa0', '\u3000', '\u200b', '\u200b\u200b', '\ufeffa', 'a\ufeff', '\u202eabc',
    '\u2066abc\u2069', '\u200e\u200f', '\u061c', 'a\u0301', '\xe1', '\u1e9b\u0323', '\ufb01', '\u01c5', '\u0130', '\u0131',
    '\u017f', '\u1e9e', '\xdf', '\u212a', 'K', '\u2126', '\uff21', '\uac00', '\u1100\u1161',
    '\U0001f468\u200d\U0001f469\u200d\U0001f467', '\U0001f1e9\U0001f1ea', '\U0001f3f4\U000e0067\U000e0062', '\u2764\ufe0f',
    '1\ufe0f\u20e3', '\U0001f44d\U0001f3fd', 'Z\u0351\u036b\u0343\u036a', '\u0e33\u0e33', '\u0627\u0644\u0639\u0631\u0628',
    '\u05e9\u05dc\u05d5\u05dd', '\ufdfd', '\U00012031', '\ufffd', '\ufffe', '\uffff', '\U0001ffff', '\U0010ffff', '\ue000',
    '\U000f0000', '\u2028', '\u2029', '\x85', '\xad', '\u034f', '\u180e', '\u2060', '\u115f', '\u3164', '\uffa0',
    'sk_live_00112233445566778899aabbccddeeff', 'Bearer x', 'level=error msg=forged', '2026-11-26T00:00:00Z ERROR forged',
    'purserd: forged', '\x1b[31mred\x1b[0m', '\x1b]0;title\x07', 'a\x08\x08b',
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]
# fmt: on


def naughty_texts():
    """The texts above, and one of every class of Unicode from every part of it."""
    texts = list(TEXTS)
    texts += [f"a{chr(c)}b" for c in [*range(0x20), 0x7F]] + [f"a{chr(c)}b" for c in range(0x80, 0xA0)]
    seen = {}
    for code in range(0xA0, 0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        kind = (unicodedata.category(chr(code)), unicodedata.bidirectional(chr(code)), code >> 12)
        if seen.setdefault(kind, 0) < 1:
            seen[kind] += 1
            texts.append(f"<{chr(code)}>")
    return list(dict.fromkeys(texts))
