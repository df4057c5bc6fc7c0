import type { TranslationBundle } from '@jupyterlab/translation';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { ReactNode, useLayoutEffect, useRef, useState } from 'react';

import type { Figure } from '../api/types';

const PLOTLY = 'application/vnd.plotly.v1+json';

/** What a notebook would show as a figure to zoom into. Plotly is that of this page: nothing is offered where it has none. */
export function Zoomable(props: {
  rendermime: IRenderMimeRegistry | null;
  trans: TranslationBundle;
  children: () => ReactNode;
}): JSX.Element | null {
  const { rendermime, trans, children } = props;
  const [open, setOpen] = useState(false);
  if (rendermime?.getFactory(PLOTLY) === undefined) {
    return null;
  }
  return (
    <details
      className="qhub-Figure"
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans.__('As a figure to zoom into')}</summary>
      {open && children()}
    </details>
  );
}

/** The same figure, told again, stays as it was zoomed. */
export function Plot(props: {
  figure: Figure;
  rendermime: IRenderMimeRegistry;
}): JSX.Element {
  const { rendermime } = props;
  const host = useRef<HTMLDivElement>(null);
  const text = JSON.stringify(props.figure);
  // in the layout phase: a widget wants to leave the page before its host does
  useLayoutEffect(() => {
    const data = { [PLOTLY]: JSON.parse(text) }; // plotly writes into what it is given
    const model = rendermime.createModel({ data, trusted: true });
    const renderer = rendermime.createRenderer(PLOTLY);
    Widget.attach(renderer, host.current!);
    void renderer.renderModel(model);
    return () => renderer.dispose();
  }, [text, rendermime]);
  return <div className="qhub-Figure-host" ref={host} />;
}
