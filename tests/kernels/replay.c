/* Calls edgekit_objects on memory that a test wrote to a file, and writes it back: the kernels on another machine.
 *
 * File: count of blobs; of each its size and bytes; count of pointers; of each the blob and offset where it stands and the
 * blob that it points to; the four arguments as blobs. All numbers are int64.
 */
#include <stdio.h>

static int64_t number(FILE *file) {
    int64_t value = 0;
    return fread(&value, sizeof value, 1, file) == 1 ? value : -1;
}

int main(int count_of_arguments, char **arguments) {
    FILE *file = count_of_arguments == 3 ? fopen(arguments[1], "rb") : NULL;
    if (!file) return 2;
    const int64_t count = number(file);
    char **blobs = calloc((size_t)count, sizeof *blobs);
    int64_t *sizes = calloc((size_t)count, sizeof *sizes);
    for (int64_t i = 0; i < count; i++) {
        sizes[i] = number(file);
        blobs[i] = malloc((size_t)sizes[i] + 1);
        if (fread(blobs[i], 1, (size_t)sizes[i], file) != (size_t)sizes[i]) return 3;
    }
    for (int64_t left = number(file); left > 0; left--) {
        const int64_t blob = number(file), offset = number(file), target = number(file);
        memcpy(blobs[blob] + offset, &blobs[target], sizeof(char *));
    }
    const int64_t plan = number(file), heads = number(file), frame = number(file), out = number(file);
    fclose(file);
    const int64_t found = edgekit_objects((const Plan *)blobs[plan], (const void *const *)blobs[heads],
                                          (const Frame *)blobs[frame], (Objects *)blobs[out]);
    file = fopen(arguments[2], "wb");
    if (!file) return 4;
    fwrite(&found, sizeof found, 1, file);
    for (int64_t i = 0; i < count; i++) fwrite(blobs[i], 1, (size_t)sizes[i], file);
    return fclose(file) ? 5 : 0;
}
