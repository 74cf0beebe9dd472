#include "print.h"

#include <stdio.h>

static void
print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
}

static void
print_name(const char *name)
{
    json_t *text = json_string(name);
    print_json(text);
    json_decref(text);
}

static void
print_log(const json_t *log)
{
    size_t i;
    json_t *entry;
    printf("[");
    json_array_foreach(log, i, entry)
    {
        printf("%s\n          ", i > 0 ? "," : "");
        print_json(entry);
    }
    printf("%s]", json_array_size(log) > 0 ? "\n        " : "");
}

static void
print_transport(const char *transport, const json_t *result)
{
    const char *name, *comma = "";
    json_t *log;
    printf("    \"%s\": {\n      \"ended\": ", transport);
    print_json(json_object_get(result, "ended"));
    printf(",\n      \"logs\": {\n");
    json_object_foreach(json_object_get(result, "logs"), name, log)
    {
        printf("%s        ", comma);
        print_name(name);
        printf(": ");
        print_log(log);
        comma = ",\n";
    }
    printf("\n      }\n    }");
}

void
print_results(const char *name, json_t *results)
{
    const char *transport, *comma = "";
    json_t *result;
    printf("{\n  \"name\": ");
    print_name(name);
    printf(",\n  \"results\": {\n");
    json_object_foreach(results, transport, result)
    {
        printf("%s", comma);
        print_transport(transport, result);
        comma = ",\n";
    }
    printf("\n  }\n}\n");
}
