/**
 * A plain text field for YAML: line numbers, marks at the lines that have problems, and a Tab key that indents.
 *
 * Escape leaves the field (as everywhere on the page), and Tab then goes on from there: so nobody is caught in it.
 */

import { fill, h } from '../core/html.js';

const INDENT = '  ';
// In the gutter a letter-wide sign tells errors and warnings apart; colour only helps.
const SIGNS = { error: '×', warning: '!' };

export class Editor {
  #area;
  #gutter;
  #lines = 0;
  #marks = new Map();

  /** `describedBy` is the id of the text that says how to leave; `changed()` is called when the text was changed. */
  constructor({ label, value, describedBy, changed }) {
    this.#area = h('textarea', {
      class: 'editor-text', name: 'yaml_content', 'aria-label': label, 'aria-describedby': describedBy, value, wrap: 'off',
      spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none',
      onkeydown: (event) => this.#pressed(event),
      oninput: () => {
        this.#number();
        changed();
      },
      onscroll: () => (this.#gutter.scrollTop = this.#area.scrollTop),
    });
    this.#gutter = h('div', { class: 'editor-gutter', 'aria-hidden': 'true', onclick: (event) => this.#clicked(event) });
    this.element = h('div', { class: 'editor' }, this.#gutter, this.#area);
    this.#number();
  }

  get value() {
    return this.#area.value;
  }

  /** Put another text in place of all of it; the browser's undo brings the old one back. */
  replace(text) {
    this.#area.focus();
    this.#area.select();
    this.#insert(text);
    this.#area.setSelectionRange(0, 0);
    this.#area.scrollTop = 0;
  }

  /** Mark the lines of problems ({severity, line}, lines from 1); of two on a line the error shows. */
  mark(problems) {
    this.#marks = new Map();
    for (const { severity, line } of problems) {
      if (line !== null && this.#marks.get(line) !== 'error') this.#marks.set(line, severity);
    }
    this.#lines = 0;
    this.#number();
  }

  /** Put the cursor at a line and column, both from 1 and columns in characters; null is the line's beginning. */
  goTo(line, column) {
    const lines = this.#area.value.split('\n');
    const row = Math.min(line, lines.length) - 1;
    const before = lines.slice(0, row).reduce((sum, text) => sum + text.length + 1, 0);
    const place = before + [...lines[row]].slice(0, (column ?? 1) - 1).join('').length;
    this.#area.focus();
    this.#area.setSelectionRange(place, place);
    const height = this.#area.scrollHeight / lines.length;
    this.#area.scrollTop = Math.max(0, row * height - this.#area.clientHeight / 3);
  }

  #number() {
    let count = 1;
    for (let at = this.#area.value.indexOf('\n'); at >= 0; at = this.#area.value.indexOf('\n', at + 1)) count += 1;
    if (count === this.#lines) return;
    this.#lines = count;
    const parts = [];
    let plain = '';
    for (let line = 1; line <= count; line += 1) {
      const severity = this.#marks.get(line);
      if (severity === undefined) plain += `${line}\n`;
      else {
        parts.push(plain, h('span', { class: `editor-mark ${severity}`, dataset: { line } }, `${SIGNS[severity]} ${line}`), '\n');
        plain = '';
      }
    }
    fill(this.#gutter, parts, plain);
    this.#gutter.scrollTop = this.#area.scrollTop;
  }

  #clicked(event) {
    const mark = event.target.closest('[data-line]');
    if (mark) this.goTo(Number(mark.dataset.line), null);
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === 'Tab') {
      event.preventDefault();
      if (event.shiftKey) this.#shift((line) => line.replace(/^ {1,2}/, ''));
      else if (this.#spansLines()) this.#shift((line) => (line === '' ? line : INDENT + line));
      else this.#insert(INDENT);
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      const text = this.#area.value;
      const begin = text.lastIndexOf('\n', this.#area.selectionStart - 1) + 1;
      this.#insert(`\n${text.slice(begin, this.#area.selectionStart).match(/^ */)[0]}`);
    }
  }

  #spansLines() {
    return this.#area.value.slice(this.#area.selectionStart, this.#area.selectionEnd).includes('\n');
  }

  /** Change each line that the selection touches, and leave them selected. */
  #shift(change) {
    const { value, selectionStart: start, selectionEnd: end } = this.#area;
    const begin = value.lastIndexOf('\n', start - 1) + 1;
    // A selection that ends at the beginning of a line does not touch it.
    const last = end > start && value[end - 1] === '\n' ? end - 1 : end;
    const stop = value.indexOf('\n', last) < 0 ? value.length : value.indexOf('\n', last);
    const before = value.slice(begin, stop);
    const after = before.split('\n').map(change).join('\n');
    if (after === before) return;
    this.#area.setSelectionRange(begin, stop);
    this.#insert(after);
    if (start === end) {
      const place = Math.max(begin, start + after.length - before.length);
      this.#area.setSelectionRange(place, place);
    } else this.#area.setSelectionRange(begin, begin + after.length);
  }

  /** Put text in place of the selection, so that the browser's undo knows of it. */
  #insert(text) {
    const isDone = text === '' ? document.execCommand('delete') : document.execCommand('insertText', false, text);
    if (isDone) return;
    this.#area.setRangeText(text, this.#area.selectionStart, this.#area.selectionEnd, 'end');
    this.#area.dispatchEvent(new Event('input', { bubbles: true }));
  }
}
