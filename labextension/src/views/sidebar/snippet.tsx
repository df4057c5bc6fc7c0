import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { checkIcon, copyIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';

/** Text to take along: a command or a cell, with a button that copies it. */
export function Snippet(props: {
  text: string;
  label: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { text, trans } = props;
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    const timer = copied ? setTimeout(() => setCopied(false), 2000) : undefined;
    return () => clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? checkIcon : copyIcon;
  const words = copied ? trans.__('Copied') : trans.__('Copy %1', props.label);
  return (
    <div
      className={`qhub-Snippet ${text.includes('\n') ? '' : 'qhub-mod-command'}`}
    >
      <pre tabIndex={0} role="region" aria-label={props.label}>
        <code>{text}</code>
      </pre>
      <button
        className="qhub-IconButton"
        title={words}
        aria-label={words}
        onClick={() => {
          Clipboard.copyToSystem(text);
          setCopied(true);
        }}
      >
        <Icon.react tag="span" width="14px" height="14px" />
      </button>
    </div>
  );
}
