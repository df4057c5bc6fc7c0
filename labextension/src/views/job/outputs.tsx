import type { IOutput } from '@jupyterlab/nbformat';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';

import { isWaiting } from '../../words';
import { putOutputs } from '../../writer/put';
import { useSignal } from '../signal';
import { ClosedSanitizer } from './closed';
import type { JobContext } from './context';

/** What a job has shown, drawn as a notebook draws it. */
export function Outputs(props: { context: JobContext }): JSX.Element {
  const { model, rendermime, trans } = props.context;
  const [trusted, setTrusted] = useState(false);
  useSignal(model.changed);
  useEffect(() => {
    const watch = model.watchOutputs();
    return () => watch.dispose();
  }, [model]);
  const outputs = model.outputs?.outputs ?? [];
  if (outputs.length === 0) {
    const { job } = model;
    return (
      <p className="qhub-Job-empty">
        {job === null || model.outputs === null
          ? trans.__('Loading…')
          : isWaiting(job.state)
            ? trans.__('It has not started yet, so it has shown nothing.')
            : trans.__('It has shown nothing.')}
      </p>
    );
  }
  return (
    <>
      {!trusted && outputs.some(isActive) && (
        <p className="qhub-Job-hint">
          {trans.__(
            'HTML and scripts are shown as in a notebook that is not trusted, and nothing is loaded from elsewhere.'
          )}{' '}
          <button
            type="button"
            className="qhub-Link"
            onClick={() => setTrusted(true)}
          >
            {trans.__('Trust these outputs')}
          </button>
        </p>
      )}
      <Area outputs={outputs} trusted={trusted} rendermime={rendermime} />
    </>
  );
}

function Area(props: {
  outputs: IOutput[];
  trusted: boolean;
  rendermime: IRenderMimeRegistry;
}): JSX.Element {
  const { outputs, trusted, rendermime } = props;
  const host = useRef<HTMLDivElement>(null);
  const area = useRef<SimplifiedOutputArea | null>(null);
  // in the layout phase: a widget wants to leave the page before its host does
  useLayoutEffect(() => {
    const model = new OutputAreaModel({ trusted });
    const widget = new SimplifiedOutputArea({
      model,
      rendermime: trusted
        ? rendermime
        : rendermime.clone({
            sanitizer: new ClosedSanitizer(rendermime.sanitizer)
          })
    });
    area.current = widget;
    Widget.attach(widget, host.current!);
    return () => {
      area.current = null;
      widget.dispose();
      model.dispose();
    };
  }, [trusted, rendermime]);
  useEffect(() => {
    putOutputs(area.current!.model, outputs);
  }, [outputs, trusted, rendermime]);
  return <div className="qhub-Job-outputs" ref={host} />;
}

/** Whether it looks or acts otherwise where it is trusted. */
function isActive(output: IOutput): boolean {
  const data = (output.data ?? {}) as Record<string, unknown>;
  return (
    ['text/html', 'application/javascript', 'image/svg+xml'].some(
      mimeType => mimeType in data
    ) || /!\[|<img/.test(String(data['text/markdown'] ?? ''))
  );
}
