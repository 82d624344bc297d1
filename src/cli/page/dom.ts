/** Creates elements in one expression. Text becomes text nodes, so that names from a cluster are never markup. */

export type Child = Node | string | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An HTML element. `true` sets an attribute without a value, `false` and undefined leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

/** A cell with the name of an end, which may break after the namespace. */
export function endCell(label: string): HTMLTableCellElement {
  const slash = label.indexOf('/') + 1;
  return h('td', { class: 'end' }, label.slice(0, slash), slash > 0 && h('wbr'), label.slice(slash));
}

/** A button that does `action`. */
export function button(attributes: Attributes, label: Child, action: () => void): HTMLButtonElement {
  const element = h('button', { type: 'button', ...attributes }, label);
  element.addEventListener('click', action);
  return element;
}

function fill<T extends Element>(element: T, attributes: Attributes, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false)
      element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}
