/**
 * Colours in a program's output, from SGR sequences (ECMA-48, 8.3.117; extended colours as in ISO 8613-6 and xterm).
 * Pure. The gateway has dropped every other control sequence. Each line begins plain: only rows on the screen are
 * parsed, so a colour cannot be looked up in the lines before.
 *
 * A style is null (plain) or has some of: fg, bg (0 to 15 of the palette, or [r, g, b]), bold, faint, italic,
 * underline, strike, inverse, conceal.
 */

const SGR = /\x1b\[([0-9;:]*)m/g;

// These spend parameters on a colour; that of underlines (58) is not shown.
const EXTENDED = { 38: 'fg', 48: 'bg', 58: null };
const SWITCHES = new Map([
  [1, { bold: true }],
  [2, { faint: true }],
  [3, { italic: true }],
  [4, { underline: true }],
  [7, { inverse: true }],
  [8, { conceal: true }],
  [9, { strike: true }],
  [21, { underline: true }],
  [22, { bold: false, faint: false }],
  [23, { italic: false }],
  [24, { underline: false }],
  [27, { inverse: false }],
  [28, { conceal: false }],
  [29, { strike: false }],
  [39, { fg: undefined }],
  [49, { bg: undefined }],
]);

/** Remove colours: what a reader sees. */
export function plain(message) {
  return message.includes('\x1b') ? message.replace(SGR, '') : message;
}

/** Cut a message into [{text, style}]; texts are not empty and give the plain message when put together. */
export function pieces(message) {
  if (!message.includes('\x1b')) return message === '' ? [] : [{ text: message, style: null }];
  const found = [];
  let style = null;
  let start = 0;
  for (const match of message.matchAll(SGR)) {
    if (match.index > start) found.push({ text: message.slice(start, match.index), style });
    style = changed(style, match[1]);
    start = match.index + match[0].length;
  }
  if (start < message.length) found.push({ text: message.slice(start), style });
  return found;
}

function changed(style, parameters) {
  const codes = parameters.split(';').map((code) => code.split(':').map(Number));
  let next = { ...style };
  for (let i = 0; i < codes.length; i += 1) {
    const [code, ...details] = codes[i];
    if (code in EXTENDED) {
      let values = details;
      if (values.length === 0) {
        // The old form spends whole parameters: 38;5;n or 38;2;r;g;b.
        const rest = codes.slice(i + 1).map(([value]) => value);
        values = rest.slice(0, rest[0] === 2 ? 4 : 2);
        i += values.length;
      } else if (values[0] === 2 && values.length > 4) {
        values = [2, ...values.slice(2, 5)]; // 38:2:<colour space>:r:g:b
      }
      const colour = extended(values);
      if (colour !== null && EXTENDED[code] !== null) next[EXTENDED[code]] = colour;
    } else if (code === 4 && details[0] === 0) {
      next.underline = false; // 4:0; 4:1 to 4:5 are kinds of underline
    } else if (code === 0) {
      next = {};
    } else if (SWITCHES.has(code)) {
      Object.assign(next, SWITCHES.get(code));
    } else {
      const [name, base] = paletteOf(code);
      if (name !== null) next[name] = base;
    }
  }
  return Object.values(next).some((value) => value !== undefined && value !== false) ? next : null;
}

function paletteOf(code) {
  if (code >= 30 && code <= 37) return ['fg', code - 30];
  if (code >= 40 && code <= 47) return ['bg', code - 40];
  if (code >= 90 && code <= 97) return ['fg', code - 82];
  if (code >= 100 && code <= 107) return ['bg', code - 92];
  return [null, null];
}

function extended([kind, ...values]) {
  if (kind === 5 && isByte(values[0])) return values[0] < 16 ? values[0] : indexed(values[0]);
  if (kind === 2 && values.length === 3 && values.every(isByte)) return values;
  return null;
}

function isByte(value) {
  return Number.isInteger(value) && value >= 0 && value <= 255;
}

/** xterm's colours 16 to 255: a cube of 6 x 6 x 6, then 24 greys. */
function indexed(n) {
  if (n >= 232) return Array(3).fill(8 + 10 * (n - 232));
  return [Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6].map((v) => (v === 0 ? 0 : 55 + 40 * v));
}
