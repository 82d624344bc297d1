/** Moves and scales the content of an SVG: by wheel, drag, pinch of a touchpad, keys and buttons. */
import type { Box } from './layout/geometry.ts';

const STEP = 1.25;
const FARTHEST = 0.05;
const CLOSEST = 4;
const KEY_PAN = 60; // pixels

export class PanZoom {
  readonly #frame: SVGSVGElement;
  readonly #content: SVGGElement;
  #x = 0;
  #y = 0;
  #scale = 1;

  constructor(frame: SVGSVGElement, content: SVGGElement) {
    this.#frame = frame;
    this.#content = content;
    frame.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        const { left, top } = frame.getBoundingClientRect();
        this.#zoom(
          Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 500)),
          event.clientX - left,
          event.clientY - top,
        );
      },
      { passive: false },
    );
    frame.addEventListener('pointerdown', (event) => this.#drag(event));
  }

  /** Shows all of `box`. */
  fit({ x, y, width, height }: Box): void {
    const { width: w, height: h } = this.#frame.getBoundingClientRect();
    this.#scale = Math.max(FARTHEST, Math.min(1.2, w / width, h / height));
    this.#x = w / 2 - (x + width / 2) * this.#scale;
    this.#y = h / 2 - (y + height / 2) * this.#scale;
    this.#show();
  }

  /** Centres a point, and zooms in until it is readable. */
  reveal(x: number, y: number): void {
    const { width, height } = this.#frame.getBoundingClientRect();
    this.#scale = Math.max(this.#scale, 0.7);
    this.#x = width / 2 - x * this.#scale;
    this.#y = height / 2 - y * this.#scale;
    this.#show();
  }

  zoomIn(): void {
    this.#zoom(STEP);
  }

  zoomOut(): void {
    this.#zoom(1 / STEP);
  }

  pan(dx: number, dy: number): void {
    this.#x += dx * KEY_PAN;
    this.#y += dy * KEY_PAN;
    this.#show();
  }

  #zoom(factor: number, atX?: number, atY?: number): void {
    const { width, height } = this.#frame.getBoundingClientRect();
    const [x, y] = [atX ?? width / 2, atY ?? height / 2];
    const scale = Math.max(FARTHEST, Math.min(CLOSEST, this.#scale * factor));
    this.#x = x - ((x - this.#x) * scale) / this.#scale;
    this.#y = y - ((y - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#show();
  }

  #drag(start: PointerEvent): void {
    if (start.button !== 0) return;
    const [fromX, fromY] = [start.clientX - this.#x, start.clientY - this.#y];
    const move = (event: PointerEvent) => {
      // A click with a shaking hand is not a drag.
      if (Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < 4) return;
      this.#frame.classList.add('dragging');
      this.#x = event.clientX - fromX;
      this.#y = event.clientY - fromY;
      this.#show();
    };
    const end = () => {
      window.removeEventListener('pointermove', move);
      // The end of a drag fires a click, which must not select anything.
      setTimeout(() => this.#frame.classList.remove('dragging'));
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', end, { once: true });
  }

  #show(): void {
    this.#content.setAttribute('transform', `translate(${this.#x} ${this.#y}) scale(${this.#scale})`);
    this.#frame.classList.toggle('far', this.#scale < 0.45);
  }
}
