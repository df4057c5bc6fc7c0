import { caretDownIcon } from '@jupyterlab/ui-components';
import { ReactNode, useId, useState } from 'react';

/** A part of the sidebar that folds away. `aside` stays in sight. */
export function Section(props: {
  title: string;
  aside?: ReactNode;
  open?: boolean;
  children: ReactNode;
}): JSX.Element {
  const [open, setOpen] = useState(props.open ?? true);
  const id = useId();
  return (
    <section className="qhub-Section" aria-labelledby={`${id}-title`}>
      <h3 className="qhub-Section-title" id={`${id}-title`}>
        <button
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
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
