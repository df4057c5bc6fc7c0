import { caretDownIcon } from '@jupyterlab/ui-components';
import { ReactNode, useId } from 'react';

import type { Folds } from '../../model/folds';
import { useSignal } from '../signal';

/** A part of the sidebar that folds away. `aside` stays in sight. */
export function Section(props: {
  name: string;
  folds: Folds;
  title: string;
  aside?: ReactNode;
  children: ReactNode;
}): JSX.Element {
  const { folds, name } = props;
  useSignal(folds.changed);
  const open = folds.isOpen(name);
  const id = useId();
  return (
    <section className="qhub-Section" aria-labelledby={`${id}-title`}>
      <h3 className="qhub-Section-title" id={`${id}-title`}>
        <button
          aria-expanded={open}
          aria-controls={id}
          onClick={() => folds.toggle(name)}
        >
          <caretDownIcon.react tag="span" width="14px" height="14px" />
          <span>{props.title}</span>
          <span className="qhub-Section-aside">{props.aside}</span>
        </button>
      </h3>
      <div id={id} hidden={!open} className="qhub-Section-body">
        {props.children}
      </div>
    </section>
  );
}
