// Rows of a list that stay the same elements while their data changes, so that focus and scroll position survive.

export class Rows {
  #parent;
  #keyOf;
  #make;
  #rows = new Map();

  /** keyOf: item to key. make: item to {root, update}; update(item) is called for each new state. */
  constructor(parent, keyOf, make) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  show(items) {
    const gone = new Set(this.#rows.keys());
    let previous = null;
    for (const item of items) {
      const key = this.#keyOf(item);
      gone.delete(key);
      if (!this.#rows.has(key)) this.#rows.set(key, this.#make(item));
      const row = this.#rows.get(key);
      row.update(item);
      const wanted = previous ? previous.nextSibling : this.#parent.firstChild;
      if (wanted !== row.root) this.#parent.insertBefore(row.root, wanted);
      previous = row.root;
    }
    for (const key of gone) {
      this.#rows.get(key).root.remove();
      this.#rows.delete(key);
    }
  }
}
