// Text that somebody else chose, made safe to look at: as formats/printable.py does.

const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

const LONGEST = 600;

// The same, cut off after 600 characters, as in the page; what is left out is counted.
export function shown(text) {
  if (text.length <= LONGEST) return printable(text);
  return `${printable(text.slice(0, LONGEST))}... [${(text.length - LONGEST).toLocaleString("en")} more characters]`;
}

export function printable(text) {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
