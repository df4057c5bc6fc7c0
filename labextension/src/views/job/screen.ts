/** A piece of a line in one look. `style` holds colours that have no class, numbers only. */
export interface Piece {
  text: string;
  classes: readonly string[];
  style: { color?: string; background?: string };
}

export type Line = Piece[];

const NAMES = [
  'black',
  'red',
  'green',
  'yellow',
  'blue',
  'magenta',
  'cyan',
  'white'
];

// a colour and other attributes (SGR); any other sequence, which is left out; one that is not complete yet; line ends
const TOKENS =
  // eslint-disable-next-line no-control-regex
  /\x1b\[([0-9;]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]|(\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,1000}\x1b?)?$)|(\r+\n|\n)|(\r)/g;

/**
 * What a terminal would show of a text that comes in pieces: lines in colour, progress bars that redraw themselves. Pure:
 * it makes no elements. Of a long text the first lines are forgotten.
 */
export class Screen {
  constructor(private readonly _most = 10_000) {}

  /** From this line on `feed` changed something; lines count from the beginning of the text. */
  readonly lines: Line[] = [[]];

  /** How many lines at the beginning were forgotten. */
  forgotten = 0;

  /** Takes the next piece; the number of the first line in `lines` that changed. */
  feed(text: string): number {
    const whole = this._rest + text;
    this._rest = '';
    let first = this.lines.length - 1;
    let from = 0;
    for (const token of whole.matchAll(TOKENS)) {
      this._write(whole.slice(from, token.index));
      from = token.index + token[0].length;
      const [, attributes, torn, lineEnd, back] = token;
      if (attributes !== undefined) {
        this._attribute(attributes);
      } else if (torn !== undefined) {
        this._rest = torn.length < 1100 ? torn : '';
      } else if (lineEnd !== undefined) {
        this._redraw = false;
        this.lines.push([]);
      } else if (back !== undefined) {
        this._redraw = true;
      }
    }
    this._write(whole.slice(from));
    const surplus = this.lines.length - this._most;
    if (surplus > 0) {
      this.lines.splice(0, surplus);
      this.forgotten += surplus;
      first = Math.max(0, first - surplus);
    }
    return first;
  }

  private _write(text: string): void {
    const shown = text.replace(/[\p{Cc}\p{Cf}]/gu, character =>
      character === '\t' || character === '\b' ? character : '\ufffd'
    );
    if (shown === '') {
      return;
    }
    const line = this.lines[this.lines.length - 1];
    if (this._redraw) {
      line.length = 0;
      this._redraw = false;
    }
    line.push({ text: shown.replace(/[\b]/g, ''), ...this._look() });
  }

  private _look(): Omit<Piece, 'text'> {
    const classes = [...this._flags].map(flag => `ansi-${flag}`);
    const style: Piece['style'] = {};
    for (const [part, colour] of [
      ['fg', this._foreground],
      ['bg', this._background]
    ] as const) {
      if (typeof colour === 'number') {
        const name = NAMES[colour % 8];
        classes.push(`ansi-${name}${colour < 8 ? '' : '-intense'}-${part}`);
      } else if (colour !== null) {
        style[part === 'fg' ? 'color' : 'background'] =
          `rgb(${colour.join(', ')})`;
      }
    }
    return { classes, style };
  }

  private _attribute(attributes: string): void {
    const codes = attributes.split(';').map(Number);
    while (codes.length > 0) {
      const code = codes.shift()!;
      if (code === 0) {
        this._flags.clear();
        this._foreground = this._background = null;
      } else if (code === 1) {
        this._flags.add('bold');
      } else if (code === 4) {
        this._flags.add('underline');
      } else if (code === 7) {
        this._flags.add('inverse');
      } else if (code === 22) {
        this._flags.delete('bold');
      } else if (code === 24) {
        this._flags.delete('underline');
      } else if (code === 27) {
        this._flags.delete('inverse');
      } else if (code === 38) {
        this._foreground = readColour(codes);
      } else if (code === 48) {
        this._background = readColour(codes);
      } else if (code === 39) {
        this._foreground = null;
      } else if (code === 49) {
        this._background = null;
      } else if (code >= 30 && code <= 37) {
        this._foreground = code - 30;
      } else if (code >= 40 && code <= 47) {
        this._background = code - 40;
      } else if (code >= 90 && code <= 97) {
        this._foreground = code - 90 + 8;
      } else if (code >= 100 && code <= 107) {
        this._background = code - 100 + 8;
      }
    }
  }

  private readonly _flags = new Set<string>();
  private _foreground: Colour = null;
  private _background: Colour = null;
  private _redraw = false;
  private _rest = '';
}

/** One of 16 that the theme has a class for, or red, green and blue of 0 to 255. */
type Colour = number | readonly [number, number, number] | null;

/** `5;N` of 256 colours, or `2;R;G;B`; takes its codes off the list. */
function readColour(codes: number[]): Colour {
  const kind = codes.shift();
  const byte = (value: number | undefined): number =>
    Math.min(255, Math.max(0, Math.floor(value ?? 0) || 0));
  if (kind === 2) {
    return [byte(codes.shift()), byte(codes.shift()), byte(codes.shift())];
  }
  if (kind !== 5) {
    return null;
  }
  const index = byte(codes.shift());
  if (index < 16) {
    return index;
  }
  if (index >= 232) {
    const grey = (index - 232) * 10 + 8;
    return [grey, grey, grey];
  }
  const level = (part: number): number => (part === 0 ? 0 : part * 40 + 55);
  const cube = index - 16;
  return [
    level(Math.floor(cube / 36)),
    level(Math.floor(cube / 6) % 6),
    level(cube % 6)
  ];
}
