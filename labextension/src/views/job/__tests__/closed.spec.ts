import { Sanitizer } from '@jupyterlab/apputils';
import { describe, expect, it } from 'vitest';

import { ClosedSanitizer } from '../closed';

const closed = new ClosedSanitizer(new Sanitizer());
const ELSEWHERE = 'http://elsewhere.invalid';

/** What a browser would fetch once this is in a page. */
function fetched(html: string): string[] {
  const place = document.createElement('template');
  place.innerHTML = html;
  return [...place.content.querySelectorAll('*')].flatMap(node =>
    ['src', 'srcset', 'poster', 'background', 'data', 'style']
      .map(name => node.getAttribute(name) ?? '')
      .filter(value => value.includes('elsewhere'))
  );
}

describe('HTML of outputs that nobody trusts', () => {
  it.each([
    `<img src="${ELSEWHERE}/a.png" srcset="${ELSEWHERE}/b.png 2x">`,
    '<img src="//elsewhere.invalid/a.png">',
    '<img src="/\\elsewhere.invalid/a.png">',
    `<video src="${ELSEWHERE}/v.mp4" poster="${ELSEWHERE}/p.png"></video>`,
    `<p style="background: url(${ELSEWHERE}/b.png)">text</p>`,
    `<p style="list-style-image: image(${ELSEWHERE}/b.png)">text</p>`,
    `<table background="${ELSEWHERE}/b.png"><tr><td>1</td></tr></table>`,
    `<!-- --!><img src="${ELSEWHERE}/c.png"> -->`,
    `<noscript><img src="${ELSEWHERE}/n.png"></noscript>`,
    `<xmp><img src="${ELSEWHERE}/x.png"></xmp>`,
    `<template><img src="${ELSEWHERE}/t.png"></template>`,
    `<textarea></textarea><img src="${ELSEWHERE}/u.png"></textarea>`
  ])('fetches nothing from elsewhere: %s', html => {
    expect(fetched(closed.sanitize(html))).toEqual([]);
  });

  it('keeps what is here and what is text', () => {
    const html =
      '<table><tr><td>1 &lt; 2</td></tr></table><img src="data:image/png;base64,AA"><img src="files/a.png">';
    const clean = closed.sanitize(html);
    expect(clean).toContain('1 &lt; 2');
    expect(clean.match(/src=/g)).toHaveLength(2);
    expect(closed.sanitize(`<a href="${ELSEWHERE}">out</a>`)).toContain('href');
  });

  it('says of a picture from elsewhere where it is', () => {
    expect(closed.sanitize(`<img src="${ELSEWHERE}/a.png" alt="a">`)).toContain(
      `title="${ELSEWHERE}/a.png"`
    );
  });

  it('is still cleaned as JupyterLab does', () => {
    const html =
      '<b onclick="x()">bold</b><script>x()</script><img src="x" onerror="x()"><a href="javascript:x()">a</a>';
    expect(closed.sanitize(html)).not.toMatch(/onclick|script|onerror|x\(/);
  });
});
