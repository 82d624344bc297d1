/** Shows the whole graph on paper, whichever part of it is in view on the screen. The style has the rest (`@media print`). */
export function printWholeGraph(view: HTMLElement): void {
  window.addEventListener('beforeprint', () => {
    const content = view.querySelector<SVGGElement>('.graph > g');
    if (content === null) return;
    const { x, y, width, height } = content.getBBox();
    content.ownerSVGElement?.setAttribute('viewBox', [x, y, width, height].join(' '));
  });
  window.addEventListener('afterprint', () => {
    view.querySelector('.graph')?.removeAttribute('viewBox');
  });
}
