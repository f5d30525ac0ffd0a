/** Colours that can be read: contrast as WCAG 2.2 defines it (relative luminance, success criterion 1.4.3). Pure. */

// What stands behind the log in each theme: --panel of css/base.css (tests/browser compares them).
export const SURFACES = { light: [255, 255, 255], dark: [21, 26, 33] };

// Used where a program chose a background: then the theme says nothing about the text on it. VS Code's terminal.
export const PALETTE = [
  [0, 0, 0], [205, 49, 49], [13, 188, 121], [229, 229, 16], [36, 114, 200], [188, 63, 188], [17, 168, 205], [229, 229, 229],
  [102, 102, 102], [241, 76, 76], [35, 209, 139], [245, 245, 67], [59, 142, 234], [214, 112, 214], [41, 184, 219], [255, 255, 255],
];

// AA asks 4.5 of text of normal size; the rest is for rows that are tinted because they are chosen or found.
const LEAST_CONTRAST = 5.2;

const BLACK = [0, 0, 0];
const WHITE = [255, 255, 255];

/** The contrast of two colours [r, g, b], from 1 to 21. */
export function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** The colour nearest to the wanted one, on its way to black or white, that can be read on a surface. */
export function readable(wanted, surface) {
  if (contrast(wanted, surface) >= LEAST_CONTRAST) return wanted;
  const end = contrast(BLACK, surface) > contrast(WHITE, surface) ? BLACK : WHITE;
  for (let share = 0.1; share < 1; share += 0.1) {
    const mixed = wanted.map((value, i) => Math.round(value + (end[i] - value) * share));
    if (contrast(mixed, surface) >= LEAST_CONTRAST) return mixed;
  }
  return end;
}

/** Write [r, g, b] as CSS does. */
export function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
