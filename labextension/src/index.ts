import { cardPlugin, poolPlugin } from './plugins/card';
import { jobsPlugin } from './plugins/jobs';

export default [jobsPlugin, poolPlugin, cardPlugin];
