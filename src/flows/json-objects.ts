/** Cuts JSON objects out of a text that is an array of them, or has line breaks in them. Keeps the rest between calls. */

export class JsonObjects {
  #open = '';
  #depth = 0;
  #inText = false;
  #isEscaped = false;

  /** The text of each object that ends in this part. Text between objects is ignored. */
  push(part: string): string[] {
    const objects: string[] = [];
    let start = this.#depth > 0 ? 0 : -1;
    for (let index = 0; index < part.length; index++) {
      const char = part[index];
      if (this.#inText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (char === '\\') this.#isEscaped = true;
        else if (char === '"') this.#inText = false;
      } else if (char === '"') this.#inText = this.#depth > 0;
      else if (char === '{') {
        if (this.#depth === 0) start = index;
        this.#depth++;
      } else if (char === '}' && this.#depth > 0) {
        this.#depth--;
        if (this.#depth > 0) continue;
        objects.push(this.#open + part.slice(start, index + 1));
        this.#open = '';
        start = -1;
      }
    }
    if (start >= 0) this.#open += part.slice(start);
    return objects;
  }

  /** Number of characters of the object that has begun; 0 if there is none. */
  get pending(): number {
    return this.#open.length;
  }
}
