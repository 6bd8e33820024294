/* The memory of arrays and lists that compiled loops make for themselves: what numba's run time gives them under these
   names. A block begins with its header; numba's code counts its references, and calls NRT_MemInfo_call_dtor at none. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef void (*destructor)(void *data, size_t size, void *info);

typedef struct {
    size_t references;
    destructor destroy;
    void *info;
    void *data;
    size_t size;
    void *allocator;
} header;

void *NRT_Allocate(size_t size) { return malloc(size); }
void NRT_Free(void *data) { free(data); }

static header *begun(header *block, void *data, size_t size, destructor destroy, void *info) {
    if (block == NULL) return NULL;
    *block = (header){1, destroy, info, data, size, NULL};
    return block;
}

void *NRT_MemInfo_alloc(size_t size) {
    header *block = malloc(sizeof(header) + size);
    return begun(block, block + 1, size, NULL, NULL);
}

void *NRT_MemInfo_alloc_aligned(size_t size, unsigned alignment) {
    header *block = malloc(sizeof(header) + size + 2 * (size_t)alignment);
    uintptr_t data = (uintptr_t)(block + 1);
    if (alignment) data += (alignment - data % alignment) % alignment;
    return begun(block, (void *)data, size, NULL, NULL);
}

static void free_data(void *data, size_t size, void *info) {
    if (info != NULL) ((destructor)info)(data, size, NULL);
    free(data);
}

void *NRT_MemInfo_new_varsize_dtor(size_t size, destructor destroy) {
    void *data = malloc(size);
    header *block = data == NULL ? NULL : malloc(sizeof(header));
    if (block == NULL) free(data);
    return begun(block, data, size, free_data, (void *)destroy);
}

void *NRT_MemInfo_varsize_realloc(header *block, size_t size) {
    void *data = realloc(block->data, size);
    if (data == NULL) return NULL;
    block->data = data;
    block->size = size;
    return data;
}

void NRT_MemInfo_call_dtor(header *block) {
    if (block->destroy != NULL) block->destroy(block->data, block->size, block->info);
    free(block);
}
