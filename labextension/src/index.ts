import { cardPlugin, poolPlugin } from './plugins/card';
import { jobsPlugin } from './plugins/jobs';
import { sidebarPlugin } from './plugins/sidebar';

export default [jobsPlugin, poolPlugin, cardPlugin, sidebarPlugin];
