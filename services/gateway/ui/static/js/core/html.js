/**
 * Elements from values. Text only ever becomes a text node or an attribute, so nothing that comes from outside (branch
 * names, commit messages, log lines) can turn into markup; there is no way here to write HTML.
 *
 *     h('a', { href: '/ui/jobs', class: 'quiet' }, 'Jobs ', h('b', {}, count))
 */

// Elements that run, load or restyle; the page never needs to make one.
const FORBIDDEN_TAGS = new Set(['script', 'style', 'iframe', 'object', 'embed', 'base', 'meta', 'link', 'template']);
const FORBIDDEN_ATTRIBUTES = new Set(['style', 'srcdoc', 'innerhtml', 'outerhtml']);
const ADDRESSES = new Set(['href', 'src', 'action', 'formaction', 'xlink:href']);
// What a form control shows now is a property; the attribute would only be its default.
const PROPERTIES = new Set(['value', 'checked', 'selected', 'indeterminate']);
// Characters that turn the direction of what follows (Unicode TR9): with one, "gnp.exe" reads "exe.png".
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
const SVG = 'http://www.w3.org/2000/svg';

/**
 * Make an element.
 *
 * Attributes: null, undefined and false are left out, true is an empty attribute, a function under `onclick` and the
 * like is a listener, `dataset` is an object, `class` may be an array with gaps. Addresses other than http(s) are left
 * out. Children: nodes, text, numbers, arrays of them; null, undefined and false are nothing.
 */
export function h(tag, attributes = {}, ...children) {
  if (FORBIDDEN_TAGS.has(tag)) throw new TypeError(`The page never makes a <${tag}>`);
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...nodes(children));
  return element;
}

/**
 * Replace all children of an element; takes children as `h` does. What stands there already is not touched: taking an
 * element out and putting it back would lose its focus.
 */
export function fill(element, ...children) {
  const wanted = nodes(children);
  const isSame = wanted.length === element.childNodes.length && wanted.every((node, index) => node === element.childNodes[index]);
  if (!isSame) element.replaceChildren(...wanted);
  return element;
}

/** Make an icon of 16 by 16 from paths (`d` attributes, stroked); it is decoration, words stand beside it. */
export function drawing(name, paths) {
  const picture = document.createElementNS(SVG, 'svg');
  picture.setAttribute('viewBox', '0 0 16 16');
  picture.setAttribute('class', `icon icon-${name}`);
  picture.setAttribute('aria-hidden', 'true');
  for (const d of paths) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    picture.append(path);
  }
  return picture;
}

/** The address when a link may lead there (http, https, or a place of ours), else null. */
export function safeAddress(text) {
  try {
    const url = new URL(text, location.origin);
    return url.protocol === 'http:' || url.protocol === 'https:' ? String(text) : null;
  } catch {
    return null;
  }
}

function setAttribute(element, name, value) {
  const lower = name.toLowerCase();
  if (FORBIDDEN_ATTRIBUTES.has(lower)) throw new TypeError(`The page never sets ${name}`);
  if (value === null || value === undefined || value === false) return;
  if (lower.startsWith('on')) {
    if (typeof value !== 'function') throw new TypeError(`${name} must be a function`);
    element.addEventListener(lower.slice(2), value);
  } else if (lower === 'dataset') {
    for (const [key, word] of Object.entries(value)) if (word !== null && word !== undefined) element.dataset[key] = word;
  } else if (lower === 'class') {
    element.className = Array.isArray(value) ? value.filter(Boolean).join(' ') : value;
  } else if (PROPERTIES.has(lower)) {
    element[lower] = value;
  } else if (ADDRESSES.has(lower)) {
    const address = safeAddress(value);
    if (address !== null) element.setAttribute(lower, address);
  } else {
    element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** The text with characters that would make it read as something else written out, as \u202e. */
export function honest(text) {
  return text.replace(TURNING, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
}

function nodes(children) {
  const made = [];
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    made.push(child instanceof Node ? child : document.createTextNode(honest(String(child))));
  }
  return made;
}
