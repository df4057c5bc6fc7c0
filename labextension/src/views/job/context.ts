import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import type { JobFacets } from '../../model/facets';
import type { JobModel } from '../../model/job';
import type { JobsModel } from '../../model/jobs';

/** Draws code in colour into `host`. */
export type Highlight = (
  code: string,
  language: string,
  host: HTMLElement
) => Promise<void>;

/** What the parts of a job view draw from. */
export interface JobContext {
  model: JobModel;
  facets: JobFacets;
  /** All of this user's, and what the page knows of the site. */
  jobs: JobsModel;
  commands: CommandRegistry;
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
  highlight: Highlight | null;
  /** Goes to another tab, by its name. */
  show?: (tab: string) => void;
}

/** One of the tabs of a job view. */
export type Part = (props: { context: JobContext }) => JSX.Element;
