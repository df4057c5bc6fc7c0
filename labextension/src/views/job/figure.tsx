import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { useEffect, useRef, useState } from 'react';

import type { Figure } from '../../api/types';
import { Answer } from './answer';
import type { JobContext } from './context';

const PLOTLY = 'application/vnd.plotly.v1+json';

/** The waterfall as a notebook shows it, to zoom into and to switch kinds off. Plotly is that of this page, where it has one. */
export function Zoomable(props: { context: JobContext }): JSX.Element | null {
  const { facets, rendermime, trans } = props.context;
  const [open, setOpen] = useState(false);
  if (rendermime.getFactory(PLOTLY) === undefined) {
    return null;
  }
  return (
    <details
      className="qhub-Figure"
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans.__('As a figure to zoom into')}</summary>
      {open && (
        <Answer facet={facets.figure} trans={trans}>
          {figure => <Plot figure={figure} rendermime={rendermime} />}
        </Answer>
      )}
    </details>
  );
}

function Plot(props: {
  figure: Figure;
  rendermime: IRenderMimeRegistry;
}): JSX.Element {
  const { figure, rendermime } = props;
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const data = { [PLOTLY]: JSON.parse(JSON.stringify(figure)) }; // plotly writes into what it is given
    const model = rendermime.createModel({ data, trusted: true });
    const renderer = rendermime.createRenderer(PLOTLY);
    Widget.attach(renderer, host.current!);
    void renderer.renderModel(model);
    return () => renderer.dispose();
  }, [figure, rendermime]);
  return <div className="qhub-Figure-host" ref={host} />;
}
