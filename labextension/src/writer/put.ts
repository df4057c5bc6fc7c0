import type { IOutput } from '@jupyterlab/nbformat';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import { JSONExt } from '@lumino/coreutils';

/** Brings an output area to these outputs, in place where it can be, so that what is on screen stays there. */
export function putOutputs(
  area: IOutputAreaModel,
  outputs: readonly IOutput[]
): void {
  const before = area.toJSON();
  if (outputs.length < before.length) {
    area.fromJSON([...outputs]);
    return;
  }
  outputs.forEach((output, index) => {
    if (index >= before.length) {
      area.add(output);
    } else if (!JSONExt.deepEqual(before[index], output)) {
      area.set(index, output);
    }
  });
}
