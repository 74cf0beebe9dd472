/*
 * Gives a fuzz target the files that are named as arguments, one after the other.
 */
#include "fuzz.h"

static int
replay(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size); /* exactly as large, so that a byte too far is seen */
    size_t got = data != NULL || size == 0 ? fread(data, 1, size, file) : 0;
    fclose(file);
    if (got == size)
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return got != size;
}

int
main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%d files\n", argc - 1);
    return failed;
}
