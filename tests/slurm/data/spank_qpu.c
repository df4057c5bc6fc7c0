/* A SPANK plugin with the option --qpu=NAME, which tells the job as QRMI's own plugin does what it was given.
   Declares by hand what slurm/spank.h would, so that nothing but a compiler is needed. */
#include <string.h>

typedef struct spank_handle *spank_t;
typedef int (*spank_opt_cb_f)(int val, const char *optarg, int remote);
struct spank_option { char *name, *arginfo, *usage; int has_arg, val; spank_opt_cb_f cb; };
extern int spank_option_register(spank_t spank, struct spank_option *opt);
extern int spank_setenv(spank_t spank, const char *var, const char *val, int overwrite);

const char plugin_name[] = "qpu";
const char plugin_type[] = "spank";
const unsigned int plugin_version = SLURM_VERSION;
const unsigned int spank_plugin_version = 1;

static char *wanted;

static int take(int val, const char *optarg, int remote)
{
	if (!optarg || !*optarg)
		return -1;
	wanted = strdup(optarg);
	return 0;
}

static struct spank_option option = { "qpu", "NAME", "the quantum resource that the job uses", 1, 0, take };

int slurm_spank_init(spank_t spank, int count, char **arguments)
{
	return spank_option_register(spank, &option);
}

int slurm_spank_task_init(spank_t spank, int count, char **arguments)
{
	return wanted ? spank_setenv(spank, "QRMI_JOB_QPU_RESOURCES", wanted, 1) : 0;
}
