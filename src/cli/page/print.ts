/**
 * Shows on paper the summaries, the whole graph and every group of findings, whichever part is in view on the screen. The
 * style has the rest (`@media print`).
 */
import type { FindingList } from './views/findings/list.ts';

export interface Printed {
  readonly view: HTMLElement;
  /** The element of the summaries; empty until the page is first printed. */
  readonly summaries: HTMLElement;
  readonly summarize: () => readonly HTMLElement[];
  readonly list: FindingList | undefined;
}

export function printWhole({ view, summaries, summarize, list }: Printed): void {
  window.addEventListener('beforeprint', () => {
    if (summaries.childElementCount === 0) summaries.append(...summarize());
    list?.openAll();
    const content = view.querySelector<SVGGElement>('.graph > g');
    if (content === null) return;
    const { x, y, width, height } = content.getBBox();
    content.ownerSVGElement?.setAttribute('viewBox', [x, y, width, height].join(' '));
  });
  window.addEventListener('afterprint', () => {
    list?.closeAgain();
    view.querySelector('.graph')?.removeAttribute('viewBox');
  });
}
