import type { Job } from '../api/types';
import { plain, shortId, stateTone, Tone } from '../words';

/** The card as text and as HTML, for readers without this extension: the same as `qhub_ext/display/card.py` writes. */

// readable on white and on black: the word carries the meaning, the colour only repeats it
const COLOURS: Record<Tone, string> = {
  good: '#2e9e5b',
  bad: '#d9534f',
  quiet: '#8a8a8a',
  busy: '#2f81d6',
  waiting: '#b8860b'
};

export function cardText(job: Job): string {
  const width = Math.max(0, ...job.lines.map(([label]) => label.length));
  return [
    `Job ${shortId(job.id)}  ${plain(job.name, 60)}`,
    ...job.lines.map(
      ([label, text]) => `  ${label.padEnd(width)}  ${plain(text)}`
    )
  ].join('\n');
}

export function cardHtml(job: Job): string {
  const rows = job.lines.map(
    ([label, text]) =>
      '<tr><th scope="row" style="text-align:left;font-weight:normal;opacity:.7;padding:1px 12px 1px 0;' +
      `vertical-align:top">${escape(label)}</th>` +
      `<td style="text-align:left;padding:1px 0;white-space:normal">${escape(plain(text))}</td></tr>`
  );
  return (
    `<div class="qhub-job-card" style="border-left:4px solid ${COLOURS[stateTone(job.state)]};padding:4px 12px;margin:4px 0">` +
    `<div><b>${escape(plain(job.name, 80))}</b> <code>${escape(shortId(job.id))}</code></div>` +
    `<table style="border-collapse:collapse;margin:2px 0">${rows.join('')}</table></div>`
  );
}

function escape(text: string): string {
  const named: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#x27;'
  };
  return text.replace(/[&<>"']/g, character => named[character]);
}
