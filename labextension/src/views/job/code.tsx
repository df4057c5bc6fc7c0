import { useEffect, useRef } from 'react';

import { Answer } from './answer';
import type { Highlight, JobContext } from './context';

/** The cell as it was typed, and the script that the site runs. */
export function CodeAndScript(props: { context: JobContext }): JSX.Element {
  const { facets, trans, highlight } = props.context;
  return (
    <Answer facet={facets.script} trans={trans}>
      {({ cell, script, language }) => (
        <>
          <h3>{trans.__('Cell')}</h3>
          <Code
            code={cell.replace(/^\n+/, '')}
            language={language}
            highlight={highlight}
          />
          <h3>{trans.__('Script of the site')}</h3>
          <Code code={script} language="shell" highlight={highlight} />
        </>
      )}
    </Answer>
  );
}

function Code(props: {
  code: string;
  language: string;
  highlight: Highlight | null;
}): JSX.Element {
  const { code, language, highlight } = props;
  const host = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const node = host.current!;
    node.textContent = code;
    const coloured = document.createElement('span');
    void highlight?.(code, language, coloured).then(() => {
      if (coloured.textContent === code) {
        node.replaceChildren(coloured);
      }
    });
  }, [code, language, highlight]);
  return <pre className="qhub-Code" ref={host} tabIndex={0} />;
}
