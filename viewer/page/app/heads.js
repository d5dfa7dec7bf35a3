// The heads of a table's columns: each sorts, is dragged to another place, and gets wider or narrower at its right edge.

import { fieldOf, head, isNumeric } from "./columns.js";
import { h } from "./dom.js";
import { t } from "./texts.js";
import { bounded, setWidth, widthsOf } from "./widths.js";

const STEP = 16; // px a key

export class Heads {
  /** `act`: `sort(column)`, `moveColumn(column, to)`, `resized()`. */
  constructor(table, fields, act) {
    this.table = table;
    this.fields = fields;
    this.act = act;
    /** @type {string | null} the column that is dragged */
    this.dragged = null;
  }

  /** Elements of the heads, in the order of the columns. */
  of(columns, state) {
    this.columns = columns;
    return columns.map((column) => this.one(column, state));
  }

  one(column, state) {
    const name = fieldOf(column);
    const [down, up] = [state.sort === `-${name}`, state.sort === name];
    const words = head(column, this.table);
    const button = h(
      "button",
      { type: "button", class: "sort", draggable: "true", title: t`Drag to move; keys: alt and arrows move, shift and arrows change the width`, onclick: () => this.act.sort(name), onkeydown: (event) => this.keys(event, column) },
      words,
      h("span", { class: "arrow", "aria-hidden": "true" }, down ? "↓" : up ? "↑" : ""),
    );
    const edge = h("span", { class: "edge", "aria-hidden": "true", onpointerdown: (event) => this.pull(event, column, cell), ondblclick: () => this.resize(column, null) });
    const cell = h("th", { scope: "col", class: isNumeric(column, this.fields) ? "number" : null, "aria-sort": down ? "descending" : up ? "ascending" : null }, button, edge);
    button.addEventListener("dragstart", (event) => {
      this.dragged = column;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", words);
    });
    button.addEventListener("dragend", () => (this.dragged = null));
    cell.addEventListener("dragover", (event) => {
      if (this.dragged && this.dragged !== column) event.preventDefault();
    });
    cell.addEventListener("drop", (event) => {
      event.preventDefault();
      if (this.dragged) this.act.moveColumn(this.dragged, this.columns.indexOf(column));
    });
    return cell;
  }

  keys(event, column) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.altKey === event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.columns.indexOf(column);
    if (event.altKey) return this.act.moveColumn(column, Math.max(0, Math.min(this.columns.length - 1, at + step)), true);
    this.resize(column, event.currentTarget.closest("th").offsetWidth + step * STEP);
  }

  /** From the pointer's going down until it is let go. */
  pull(event, column, cell) {
    event.preventDefault();
    const { target, pointerId, clientX } = event;
    const width = cell.offsetWidth;
    let wanted = width;
    target.setPointerCapture(pointerId);
    target.onpointermove = (moved) => {
      wanted = bounded(width + moved.clientX - clientX);
      this.show(cell, wanted);
    };
    target.onpointerup = () => {
      target.onpointermove = target.onpointerup = null;
      if (wanted !== width) this.resize(column, wanted);
    };
  }

  resize(column, width) {
    setWidth(this.table, column, width);
    this.act.resized();
  }

  /** Give a column's cells the width; null: what its content needs. */
  show(cell, width) {
    const place = cell.cellIndex;
    for (const row of cell.closest("table").rows) {
      row.cells[place].classList.toggle("sized", width !== null);
      row.cells[place].style.setProperty("--width", `${width}px`);
    }
  }

  /** All widths that are kept. */
  apply(table) {
    const widths = widthsOf(this.table);
    for (const [place, column] of this.columns.entries()) this.show(table.tHead.rows[0].cells[place + 1], widths[column] ?? null);
  }
}
