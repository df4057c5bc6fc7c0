import type { TranslationBundle } from '@jupyterlab/translation';

import { ApiError } from '../api/request';

/** Why something that the user asked for was not done, and what to try. */
export function troubleWords(error: Error, trans: TranslationBundle): string {
  if (!(error instanceof ApiError)) {
    return error.message;
  }
  if (error.status === 0) {
    return trans.__('The Jupyter server cannot be reached.');
  }
  return error.isMissingExtension
    ? trans.__(
        'The server extension of qhub_ext is not enabled here. Enable it with: jupyter server extension enable qhub_ext'
      )
    : [error.message, error.advice].filter(Boolean).join(' ');
}
