/*
 * conformance: plays event-order scenarios against the library and prints, or compares, what every endpoint saw. The
 * format of all files is FORMAT.md's; only public headers of the library are used.
 *
 * Playing is mostly waiting, so several processes play at the same time, each one scenario after the other. What is
 * printed comes in the order of the files all the same.
 */
#include "check.h"
#include "crew.h"
#include "play.h"
#include "print.h"
#include "vectors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/net/tls.h>
#include <unistd.h>

#define JOBS_DEFAULT 16u
#define JOBS_MAX 256u
#define SCALE_MOST 32u
#define TEXT 4096u

bool machine_has_ipv6(void);
void directory_remove(const char *path);

struct options {
    const char *check;   /* the directory of what is expected; NULL: print */
    const char *changed; /* the file that says what TLS changes; NULL: none does */
    bool vectors;
    bool has_only;
    enum transport only;
    unsigned jobs;
    struct play_options play;
    char **files;
    size_t file_count;
};

enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES };

/* A scenario. It holds megabytes that are to be written, and each process would have those of all: so it is read once
 * to see what is wrong with it, and again where it is played. */
struct job {
    const char *file;
    char *name;
    json_t *expected; /* NULL: print */
};

struct house {
    const struct options *options;
    bool has_ipv6;
    struct job *jobs;
    size_t count;
    json_t *changed; /* name to reason; NULL: nothing is */
    size_t outcomes[OUTCOMES];
};

/* What came of a job. */
struct report {
    enum outcome outcome;
    char text[TEXT]; /* why it failed or was skipped */
    json_t *results; /* by transport */
};

static const char usage[] =
    "usage: conformance [OPTION...] FILE...                  plays scenarios and prints the results\n"
    "       conformance [OPTION...] --check DIR FILE...      compares them with DIR/NAME.json\n"
    "       conformance --vectors FILE...                    checks vectors of isIP and of decoding\n"
    "       conformance --abilities                          lists what `requires` may name\n"
    "  --workers N             worker threads of each play (all CPUs)\n"
    "  --owner local|remote    sockets are driven by their callbacks, or by messages from another worker\n"
    "  --only tcp4|tcp6|unix   plays this transport alone\n"
    "  --tls DIR               both ends are secure, with ca.pem, server.pem and server.key of DIR\n"
    "  --changed FILE          leaves out the scenarios that FILE names, with its reasons why TLS changes them\n"
    "  --traces DIR            leaves the trace of each play in DIR/NAME-TRANSPORT, and what callbacks were told\n"
    "                          in DIR/NAME-TRANSPORT.json; of one that is played again in NAME-TRANSPORT-xN\n"
    "  --jobs N                scenarios that are played at the same time (16)\n";

/* One scenario, in one of the processes. */

static void
fail(struct report *report, enum transport transport, const char *remark, const char *what)
{
    report->outcome = FAILED;
    snprintf(report->text, sizeof(report->text), "%s%s%s, %s", transport_names[transport],
             remark[0] != '\0' ? ", " : "", remark, what);
}

static void
skip(struct report *report, const char *format, const char *word)
{
    report->outcome = SKIPPED;
    snprintf(report->text, sizeof(report->text), format, word);
}

/* Is it what was expected? text says what is not. */
static bool
is_right(const struct house *house, const struct job *job, enum transport transport, const struct played *played,
         char *text, size_t size)
{
    snprintf(text, size, "%s", played->problem);
    if (played->result == NULL || job->expected == NULL)
        return played->result != NULL;
    const json_t *expected = json_object_get(json_object_get(job->expected, "results"), transport_names[transport]);
    snprintf(text, size, "nothing is expected");
    return expected != NULL && check_results(expected, played->result, house->options->play.remote, text, size);
}

/*
 * What came of a play that the machine disturbed does not count if it is not what was expected, or nothing is: then the
 * times are longer the next time. From a distance one difference does not count either, nor do two. There the actions
 * of a list are messages, and those for a socket that does not stand still are set apart by whatever holds its worker
 * up for 100 us between two of them: then it may be connected, or closed, between.
 */
static void
play_transport(const struct house *house, const struct job *job, const struct scenario *scenario,
               enum transport transport, struct report *report)
{
    char text[TEXT - 64] = "";
    struct played played = {0};
    unsigned differences_left = house->options->play.remote && job->expected != NULL ? 3 : 1;
    bool right = false, counts = false;
    for (unsigned scale = 1; scale <= SCALE_MOST && !counts; scale *= 2) {
        json_decref(played.result);
        played = play(scenario, transport, &house->options->play, scale);
        right = is_right(house, job, transport, &played, text, sizeof(text));
        counts = right ? !played.disturbed || job->expected != NULL : !played.disturbed && --differences_left == 0;
    }
    if (played.result != NULL)
        json_object_set_new(report->results, transport_names[transport], played.result);
    if (!right)
        fail(report, transport, counts ? "" : "disturbed each time", text);
}

static void
play_scenario(const struct house *house, const struct job *job, const struct scenario *scenario, struct report *report)
{
    size_t played = 0;
    for (size_t i = 0; i < scenario->transport_count && report->outcome == PASSED; i++) {
        enum transport transport = scenario->transports[i];
        if ((house->options->has_only && transport != house->options->only) || (transport == TCP6 && !house->has_ipv6))
            continue;
        play_transport(house, job, scenario, transport, report);
        played++;
    }
    if (played == 0)
        skip(report, "no transport to play it on%s", house->has_ipv6 ? "" : " (there is no IPv6 here)");
}

/* NULL: TLS does not change it, or is not played. */
static const char *
reason_of(const struct house *house, const char *name)
{
    return json_string_value(json_object_get(house->changed, name));
}

static void
work(void *argument, size_t index, FILE *out)
{
    const struct house *house = argument;
    const struct job *job = &house->jobs[index];
    struct report report = {.outcome = FAILED, .results = json_object()};
    struct scenario *scenario = scenario_load(job->file, report.text, sizeof(report.text));
    if (scenario != NULL) {
        report.outcome = PASSED;
        if (scenario->needs != NULL)
            skip(&report, "it requires %s", scenario->needs);
        else if (scenario->needs_ipv6 && !house->has_ipv6)
            skip(&report, "it requires %s", "ipv6");
        else if (reason_of(house, job->name) != NULL)
            skip(&report, "TLS changes it: %s", reason_of(house, job->name));
        else
            play_scenario(house, job, scenario, &report);
        scenario_free(scenario);
    }
    json_t *message =
        json_pack("{s:i,s:s,s:o}", "outcome", (int)report.outcome, "text", report.text, "results", report.results);
    json_dumpf(message, out, JSON_COMPACT);
    json_decref(message);
}

/* What came of it. */

static void
print_report(const struct options *options, const char *name, const struct report *report)
{
    if (options->check == NULL && report->outcome == PASSED)
        print_results(name, report->results);
    else if (options->check == NULL)
        fprintf(stderr, "conformance: %s: %s\n", name, report->text);
    else if (report->outcome == PASSED)
        printf("ok %s\n", name);
    else
        printf("%s %s: %s\n", report->outcome == SKIPPED ? "skip" : "FAIL", name, report->text);
    fflush(stdout);
}

static void
done(void *argument, size_t index, const char *text, const char *accident)
{
    struct house *house = argument;
    struct report report = {.outcome = FAILED};
    json_t *message = json_loads(text, JSON_ALLOW_NUL, NULL);
    if (message == NULL || accident != NULL) {
        snprintf(report.text, sizeof(report.text), "%s", accident != NULL ? accident : "no result came");
    } else {
        report.outcome = (enum outcome)json_integer_value(json_object_get(message, "outcome"));
        report.results = json_object_get(message, "results");
        snprintf(report.text, sizeof(report.text), "%s", json_string_value(json_object_get(message, "text")));
    }
    house->outcomes[report.outcome]++;
    print_report(house->options, house->jobs[index].name, &report);
    json_decref(message);
}

/* All scenarios. */

static bool
complain(const char *complaint)
{
    fprintf(stderr, "conformance: %s\n", complaint);
    return false;
}

static json_t *
load_expected(const char *directory, const char *name)
{
    char path[TEXT], text[2 * TEXT];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/%s.json", directory, name);
    json_t *expected = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (expected == NULL && error.line > 0)
        snprintf(text, sizeof(text), "%s: line %d, column %d: %s", path, error.line, error.column, error.text);
    else if (expected == NULL)
        snprintf(text, sizeof(text), "%s: %s", path, error.text);
    else if (!json_is_object(json_object_get(expected, "results")))
        snprintf(text, sizeof(text), "%s: \"results\" is missing", path);
    else
        return expected;
    json_decref(expected);
    complain(text);
    return NULL;
}

/* Everything is read before anything is played: a bad file is told at once. */
static bool
load(struct house *house)
{
    const struct options *options = house->options;
    char complaint[TEXT];
    for (size_t i = 0; i < options->file_count; i++) {
        struct job *job = &house->jobs[i];
        job->file = options->files[i];
        struct scenario *scenario = scenario_load(job->file, complaint, sizeof(complaint));
        if (scenario == NULL)
            return complain(complaint);
        job->name = strdup(scenario->name);
        scenario_free(scenario);
        if (job->name == NULL)
            abort();
        house->count++;
        if (options->check != NULL && (job->expected = load_expected(options->check, job->name)) == NULL)
            return false;
    }
    return true;
}

/* {"NAME": REASON, ...} */
static bool
load_changed(struct house *house)
{
    const char *file = house->options->changed, *name;
    char text[TEXT];
    json_error_t error;
    json_t *reason;
    if (file == NULL)
        return true;
    house->changed = json_load_file(file, 0, &error);
    snprintf(text, sizeof(text), "%s: %s", file, house->changed == NULL ? error.text : "not an object");
    bool good = json_is_object(house->changed);
    json_object_foreach(house->changed, name, reason) if (good && !json_is_string(reason))
    {
        snprintf(text, sizeof(text), "%s: %s has no reason", file, name);
        good = false;
    }
    return good || complain(text);
}

static int
play_all(struct house *house)
{
    const struct options *options = house->options;
    struct crew crew = {.count = house->count, .size = options->jobs, .argument = house, .work = work, .done = done};
    bool well = crew_run(&crew);
    if (options->check != NULL)
        printf("%zu passed, %zu failed, %zu skipped\n", house->outcomes[PASSED], house->outcomes[FAILED],
               house->outcomes[SKIPPED]);
    return well && house->outcomes[FAILED] == 0 ? 0 : 1;
}

static void
free_house(struct house *house)
{
    for (size_t i = 0; i < house->count; i++) {
        free(house->jobs[i].name);
        json_decref(house->jobs[i].expected);
    }
    json_decref(house->changed);
    free(house->jobs);
}

static int
run_scenarios(struct options *options)
{
    char directory[] = "/tmp/tc-XXXXXX"; /* short, so that paths have room for names: see FORMAT.md, section 3 */
    struct house house = {.options = options, .has_ipv6 = machine_has_ipv6()};
    house.jobs = calloc(options->file_count + 1, sizeof(*house.jobs));
    if (house.jobs == NULL)
        abort();
    umask(077);
    int code = 2;
    if (load_changed(&house) && load(&house)) {
        if (mkdtemp(directory) == NULL)
            abort();
        options->play.directory = directory;
        code = play_all(&house);
        directory_remove(directory);
    }
    free_house(&house);
    return code;
}

static int
run_vectors(const struct options *options)
{
    size_t passed = 0, failed = 0;
    char complaint[TEXT];
    for (size_t i = 0; i < options->file_count; i++) {
        if (!vectors_check(options->files[i], &passed, &failed, complaint, sizeof(complaint))) {
            complain(complaint);
            return 2;
        }
    }
    printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
    return failed > 0 ? 1 : 0;
}

static int
list_abilities(void)
{
    for (const char *const *ability = abilities; *ability != NULL; ability++)
        if (strcmp(*ability, "ipv6") != 0 || machine_has_ipv6())
            printf("%s\n", *ability);
    return 0;
}

/* The command line. */

static bool
number(const char *text, unsigned most, unsigned *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *out = (unsigned)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 1 && value <= most;
}

static bool
set_owner(struct options *options, const char *value)
{
    options->play.remote = strcmp(value, "remote") == 0;
    return options->play.remote || strcmp(value, "local") == 0;
}

static bool
set_only(struct options *options, const char *value)
{
    options->has_only = true;
    for (unsigned i = 0; i < TRANSPORTS; i++)
        if (strcmp(transport_names[i], value) == 0) {
            options->only = (enum transport)i;
            return true;
        }
    return false;
}

static bool
set_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--check") == 0) {
        options->check = value;
        return true;
    }
    if (strcmp(name, "--traces") == 0) {
        options->play.traces = value;
        return true;
    }
    if (strcmp(name, "--tls") == 0) {
        options->play.tls = value;
        return tr_tls_supported();
    }
    if (strcmp(name, "--changed") == 0) {
        options->changed = value;
        return true;
    }
    if (strcmp(name, "--workers") == 0)
        return number(value, 1024, &options->play.workers);
    if (strcmp(name, "--jobs") == 0)
        return number(value, JOBS_MAX, &options->jobs);
    if (strcmp(name, "--owner") == 0)
        return set_owner(options, value);
    if (strcmp(name, "--only") == 0)
        return set_only(options, value);
    return false;
}

/* Options may stand anywhere; what is left are the files. */
static bool
read_command_line(struct options *options, int argc, char **argv)
{
    options->files = argv + 1;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            options->files[options->file_count++] = argv[i];
        } else if (strcmp(argv[i], "--vectors") == 0) {
            options->vectors = true;
        } else if (i + 1 < argc && set_option(options, argv[i], argv[i + 1])) {
            i++;
        } else {
            fprintf(stderr, "conformance: %s is no option, or not with this value\n", argv[i]);
            return false;
        }
    }
    return options->file_count > 0;
}

int
main(int argc, char **argv)
{
    struct options options = {.jobs = JOBS_DEFAULT};
    if (argc == 2 && strcmp(argv[1], "--abilities") == 0)
        return list_abilities();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("%s", usage);
        return 0;
    }
    if (!read_command_line(&options, argc, argv)) {
        fprintf(stderr, "%s", usage);
        return 2;
    }
    return options.vectors ? run_vectors(&options) : run_scenarios(&options);
}
