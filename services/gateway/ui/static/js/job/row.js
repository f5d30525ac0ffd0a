/** One line of a log as an element: its number, its time, its text in colours, and what was found in it. */

import { h } from '../core/html.js';
import { icon } from '../parts/icons.js';
import { pieces } from './ansi.js';
import { PALETTE, SURFACES, css, readable } from './colours.js';

const WHITE = PALETTE[15];
const FLAGS = ['bold', 'faint', 'italic', 'underline', 'strike', 'conceal'];

const STATE_ICONS = { running: 'running', success: 'check', failed: 'cross', allowed: 'warning', stopped: 'skipped' };
const STATE_WORDS = {
  running: 'running', success: 'succeeded', failed: 'failed', allowed: 'failed, as it may', stopped: 'stopped',
};

/** How a step stands: an icon, and words for those who do not see it. */
export function stateMark(state) {
  return [h('span', { class: `state-${state}` }, icon(STATE_ICONS[state])), h('span', { class: 'unseen' }, `${STATE_WORDS[state]}: `)];
}

/**
 * Make a row. `line` as Lines.get gives it, null when it is not here yet; `section` when the line is its head.
 *
 * `view` says how: `time(line)` is the text of the time (null: none), `find(text)` what to mark, `isChosen`, `isHit` (the
 * hit that was gone to), `isFolded`, `depth` of the line in sections, `took` (node or null) how long its section took.
 */
export function lineRow(n, line, section, view) {
  const number = h('a', { class: 'log-n', href: `#L${n}`, tabindex: '-1', 'aria-label': `Line ${n}` }, n);
  const row = h('div', {
    class: ['log-row', view.isChosen && 'chosen', view.isHit && 'current', view.depth > 0 && `inside-${view.depth}`],
    dataset: { n, level: line?.level ?? 'unknown' },
  });
  const time = line === null ? null : view.time(line);
  row.append(number);
  if (time !== null) row.append(h('span', { class: 'log-time' }, time));
  row.append(section === null ? textOf(line, view) : headOf(section, view));
  return row;
}

function headOf(section, view) {
  const marks = view.find(section.name);
  return h(
    'button',
    {
      type: 'button',
      class: 'log-head',
      'aria-expanded': String(!view.isFolded),
      dataset: { state: section.depth === 0 ? section.state : 'group' },
    },
    h('span', { class: 'log-fold' }, icon('next')),
    section.depth === 0 && stateMark(section.state),
    h('span', { class: 'log-name' }, marked(section.name, 0, marks)),
    view.took !== null && h('span', { class: 'log-took' }, view.took),
  );
}

function textOf(line, view) {
  const text = h('span', { class: 'log-text' });
  if (line === null) return text;
  const found = pieces(line.message);
  const marks = view.find(found.map((piece) => piece.text).join(''));
  let start = 0;
  for (const piece of found) {
    const content = marked(piece.text, start, marks);
    if (piece.style === null) text.append(...content);
    else text.append(styled(piece.style, content));
    start += piece.text.length;
  }
  return text;
}

/** A piece of a line's text that begins at `start`, with the marked parts of the line in it as elements. */
function marked(text, start, marks) {
  const parts = [];
  let done = 0;
  for (const [from, to] of marks) {
    const begin = Math.max(done, from - start);
    const end = Math.min(text.length, to - start);
    if (end <= begin) continue;
    if (begin > done) parts.push(text.slice(done, begin));
    parts.push(h('mark', {}, text.slice(begin, end)));
    done = end;
  }
  if (done < text.length) parts.push(text.slice(done));
  return parts;
}

function styled(style, content) {
  const element = h('span', {}, content);
  const classes = FLAGS.filter((flag) => style[flag]).map((flag) => `sgr-${flag}`);
  // Inverse swaps; what is not set is the theme's own text and surface.
  const fg = style.inverse ? style.bg : style.fg;
  const bg = style.inverse ? (style.fg ?? 'text') : style.bg;
  if (bg === 'text') classes.push('sgr-inverse');
  else if (bg !== undefined) paintOn(element, typeof bg === 'number' ? PALETTE[bg] : bg, fg);
  else if (typeof fg === 'number') classes.push(`sgr-fg-${fg}`);
  else if (fg !== undefined) classes.push(paint(element, fg));
  if (classes.length > 0) element.className = classes.join(' ');
  return element;
}

/** Text on a background that the program chose: as it wanted it, or nearer to black or white until it can be read. */
function paintOn(element, background, fg = WHITE) {
  element.style.backgroundColor = css(background);
  element.style.color = css(readable(typeof fg === 'number' ? PALETTE[fg] : fg, background));
}

/** A colour in both themes at once, so that nothing is drawn anew when the theme changes; answers its class. */
function paint(element, fg) {
  element.style.setProperty('--on-light', css(readable(fg, SURFACES.light)));
  element.style.setProperty('--on-dark', css(readable(fg, SURFACES.dark)));
  return 'sgr-rgb';
}
