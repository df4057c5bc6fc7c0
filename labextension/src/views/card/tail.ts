import type { IOutput } from '@jupyterlab/nbformat';

// colours and cursor moves (CSI), titles and links (OSC), and the two-letter ones
const ESCAPES =
  // eslint-disable-next-line no-control-regex
  /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;

/** The last lines that a cell printed, as a terminal would leave them: a progress bar that redraws itself is one line. */
export function lastLines(outputs: readonly IOutput[], count: number): string {
  let printed = '';
  for (const output of outputs) {
    if (output.output_type === 'stream') {
      const { text } = output;
      printed += Array.isArray(text) ? text.join('') : String(text);
    }
  }
  const lines = printed.replace(ESCAPES, '').replace(/\s+$/, '').split('\n');
  return lines.slice(-count).map(redrawn).join('\n');
}

function redrawn(line: string): string {
  const drawings = line.split('\r').filter(drawing => drawing !== '');
  return (drawings.pop() ?? '').replace(/[\p{Cc}\p{Cf}]/gu, character =>
    character === '\t' ? '    ' : '\ufffd'
  );
}
