/**
 * The map's signs, drawn on a canvas in the system's own fonts when the map first asks for one.
 *
 * A picture's name says what it shows: `mark|2` (a layer's shape), `group|2|38` (38 places together),
 * `value|4|115` (a value in its step's colour), `name|滨海新区`. So the map needs no font files and no sprite.
 */

import type { StyleImageMetadata } from "maplibre-gl";
import type { Palette } from "./palette";

const FONT = "system-ui, 'Noto Sans CJK SC', 'Noto Sans SC', 'PingFang SC', 'Hiragino Sans', 'Microsoft YaHei', sans-serif";
const LONGEST = 24; // letters of a name

type Pen = CanvasRenderingContext2D;
interface Picture {
  image: ImageData;
  options: Partial<StyleImageMetadata>;
}

function ratio(): number {
  return Math.min(3, Math.max(1, Math.ceil(window.devicePixelRatio)));
}

function paint(width: number, height: number, draw: (pen: Pen) => void): Picture | undefined {
  const canvas = document.createElement("canvas");
  const scale = ratio();
  canvas.width = Math.ceil(width * scale);
  canvas.height = Math.ceil(height * scale);
  const pen = canvas.getContext("2d");
  if (!pen) return undefined;
  pen.scale(scale, scale);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  draw(pen);
  return { image: pen.getImageData(0, 0, canvas.width, canvas.height), options: { pixelRatio: scale } };
}

function widthOf(text: string, font: string): number {
  const pen = document.createElement("canvas").getContext("2d");
  if (!pen) return text.length * 8;
  pen.font = font;
  return pen.measureText(text).width;
}

function polygon(pen: Pen, points: number[][]): void {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x ?? 0, y ?? 0));
  pen.closePath();
}

function round(sides: number, radius: number, turn: number): number[][] {
  return Array.from({ length: sides }, (_, side) => {
    const angle = turn + (side * 2 * Math.PI) / sides;
    return [9 + radius * Math.cos(angle), 9 + radius * Math.sin(angle)];
  });
}

/** The eight shapes by which layers are told apart without their colour; the style sheet's swatches match them. */
const SHAPES: ((pen: Pen) => void)[] = [
  (pen) => { pen.beginPath(); pen.arc(9, 9, 5.5, 0, 7); },
  (pen) => polygon(pen, [[4.2, 4.2], [13.8, 4.2], [13.8, 13.8], [4.2, 13.8]]),
  (pen) => polygon(pen, round(4, 6.8, 0)),
  (pen) => polygon(pen, round(3, 7, -Math.PI / 2)),
  (pen) => polygon(pen, round(3, 7, Math.PI / 2)),
  (pen) => polygon(pen, round(6, 6.2, 0)),
  (pen) => polygon(pen, [[7, 3], [11, 3], [11, 7], [15, 7], [15, 11], [11, 11], [11, 15], [7, 15], [7, 11], [3, 11], [3, 7], [7, 7]]),
  (pen) => polygon(pen, round(5, 6.6, -Math.PI / 2)),
];

function mark(palette: Palette, layer: number): Picture | undefined {
  return paint(18, 18, (pen) => {
    SHAPES[layer % SHAPES.length]?.(pen);
    pen.lineWidth = 3;
    pen.strokeStyle = palette.paper;
    pen.stroke();
    pen.fillStyle = palette.layers[layer % palette.layers.length] ?? palette.ink;
    pen.fill();
  });
}

function group(palette: Palette, layer: number, text: string): Picture | undefined {
  const font = `600 12px ${FONT}`;
  const radius = Math.max(13, widthOf(text, font) / 2 + 7);
  const size = radius * 2 + 8;
  const colour = palette.layers[layer % palette.layers.length] ?? palette.ink;
  return paint(size, size, (pen) => {
    pen.beginPath();
    pen.arc(size / 2, size / 2, radius + 2.5, 0, 7);
    pen.globalAlpha = 0.3;
    pen.fillStyle = colour;
    pen.fill();
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.arc(size / 2, size / 2, radius - 1, 0, 7);
    pen.fillStyle = palette.paper;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = colour;
    pen.stroke();
    pen.font = font;
    pen.fillStyle = palette.ink;
    pen.fillText(text, size / 2, size / 2 + 0.5);
  });
}

function value(palette: Palette, step: number, text: string): Picture | undefined {
  const font = `600 12px ${FONT}`;
  const width = Math.max(26, widthOf(text, font) + 13);
  return paint(width + 4, 26, (pen) => {
    pen.beginPath();
    pen.roundRect(2, 2, width, 22, 11);
    pen.fillStyle = palette.steps[step] ?? palette.paper;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = palette.paper;
    pen.stroke();
    pen.font = font;
    pen.fillStyle = palette.stepInks[step] ?? palette.ink;
    pen.fillText(text, width / 2 + 2, 13.5);
  });
}

function name(palette: Palette, text: string, strong: boolean): Picture | undefined {
  const font = `${strong ? 600 : 400} 12px ${FONT}`;
  const letters = [...text];
  const said = letters.length > LONGEST ? `${letters.slice(0, LONGEST).join("")}…` : text;
  const width = widthOf(said, font) + 8;
  return paint(width, 20, (pen) => {
    pen.font = font;
    pen.lineWidth = 3.5;
    pen.strokeStyle = palette.halo;
    pen.strokeText(said, width / 2, 10);
    pen.fillStyle = strong ? palette.quiet : palette.ink;
    pen.fillText(said, width / 2, 10);
  });
}

/** Draw the picture that a name asks for. */
export function picture(asked: string, palette: Palette): Picture | undefined {
  const [kind, first = "", ...rest] = asked.split("|");
  const text = rest.join("|");
  if (kind === "mark") return mark(palette, Number(first));
  if (kind === "group") return group(palette, Number(first), text);
  if (kind === "value") return value(palette, Number(first), text);
  if (kind === "name") return name(palette, text, first === "area");
  return undefined;
}
