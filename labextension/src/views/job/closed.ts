import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

/** Elements whose insides are no elements to one parser and may be to another; untrusted HTML has no use for them. */
const RAW =
  'script, style, iframe, noembed, noframes, noscript, xmp, plaintext, template';
const LOADING = ['src', 'srcset', 'poster', 'background', 'data'];

/**
 * Cleans HTML as JupyterLab does for what is not trusted, and keeps it from fetching anything from elsewhere: JupyterLab lets
 * images and sounds do so, which tells their host who looks.
 */
export class ClosedSanitizer implements IRenderMime.ISanitizer {
  readonly allowCommandLinker = false;

  constructor(private readonly _inner: IRenderMime.ISanitizer) {}

  get allowNamedProperties(): boolean | undefined {
    return this._inner.allowNamedProperties;
  }

  getAutolink(): boolean {
    return this._inner.getAutolink?.() ?? true;
  }

  sanitize(dirty: string, options?: IRenderMime.ISanitizerOptions): string {
    // the colours of printed text ask for spans alone, and there may be megabytes of it
    const html = options?.allowedTags ? dirty : withoutElsewhere(dirty);
    return this._inner.sanitize(html, options); // which has the last word
  }
}

function withoutElsewhere(html: string): string {
  const template = document.createElement('template'); // what is parsed into it neither runs nor loads
  template.innerHTML = html;
  const { content } = template;
  content.querySelectorAll(RAW).forEach(node => node.remove());
  const comments = document.createNodeIterator(
    content,
    NodeFilter.SHOW_COMMENT
  );
  for (let node = comments.nextNode(); node; node = comments.nextNode()) {
    (node as Comment).remove();
  }
  for (const node of content.querySelectorAll('*')) {
    for (const { name, value } of [...node.attributes]) {
      if (LOADING.includes(name) && isElsewhere(name, value)) {
        node.removeAttribute(name);
        node.setAttribute('title', value);
      } else if (
        (name === 'style' && /url\(|image/i.test(value)) ||
        name.startsWith('data-commandlinker')
      ) {
        node.removeAttribute(name);
      }
    }
  }
  return template.innerHTML;
}

function isElsewhere(name: string, value: string): boolean {
  if (name === 'srcset') {
    return true; // a list of addresses; its `src` says the same
  }
  try {
    const url = new URL(value, document.baseURI);
    return (
      !['data:', 'blob:', 'attachment:'].includes(url.protocol) &&
      url.origin !== location.origin
    );
  } catch {
    return true;
  }
}
