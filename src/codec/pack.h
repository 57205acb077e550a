/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compresses texts with LZ4, with a dictionary if that helps, to save memory and disk space. The
 * objects of one kind resemble each other, often in everything but names, addresses and times, so
 * the text of one of them is a good dictionary for the others: the 3,500 bytes of a pod become
 * about 400.
 *
 * A dictionary is an ordinary text. It has to be kept as long as anything that was packed with it,
 * both in memory (a Packed holds a reference) and on the disk.
 *
 * A Packed has the same form in memory and on the disk: a PackHead in the byte order of this
 * machine, and then the bytes. Its checksum detects damage. `schema` is a value that the caller
 * stores and reads back.
 */
#ifndef CODEC_PACK_H
#define CODEC_PACK_H

#include "base/base.h"

/* Shorter texts are kept as they are. */
#define PACK_MIN 1024
/* Longer texts make no better dictionary. */
#define PACK_DICTIONARY_MAX (32u * 1024)

typedef struct PackDictionary PackDictionary;

typedef struct PackHead {
    uint8_t form; /* PACK_PLAIN, PACK_LZ4; never '{' */
    uint8_t reserved[3];
    uint32_t length;     /* of the text */
    uint32_t dictionary; /* 0: none */
    uint32_t schema;
    uint64_t sum; /* of the bytes behind the head */
} PackHead;

enum { PACK_PLAIN = 1, PACK_LZ4 };

typedef struct Packed {
    PackDictionary *dictionary; /* referenced; NULL: none */
    size_t n;                   /* of what follows, head included */
    PackHead head;
    uint8_t bytes[];
} Packed;

PackDictionary *pack_dictionary_new(uint32_t id, Bytes text); /* copies; one reference */
PackDictionary *pack_dictionary_ref(PackDictionary *dictionary);
PackDictionary *pack_dictionary_unref(PackDictionary *dictionary); /* NULL is fine; returns NULL */
uint32_t pack_dictionary_id(const PackDictionary *dictionary);
Bytes pack_dictionary_text(const PackDictionary *dictionary);
/* Frees the 16 KiB that only packing needs; they are allocated again on the next use. */
void pack_dictionary_rest(PackDictionary *dictionary);

/* dictionary NULL: without one. */
Packed *pack(PackDictionary *dictionary, uint32_t schema, Bytes text);
Packed *packed_free(Packed *packed); /* NULL is fine; returns NULL */
static inline Bytes packed_bytes(const Packed *packed)
{
    return (Bytes){(const uint8_t *)&packed->head, packed->n};
}
/* The text, if it is stored uncompressed, with a newline and a NUL behind it; otherwise
 * BYTES_NULL. */
static inline Bytes packed_plain(const Packed *packed)
{
    return packed->head.form == PACK_PLAIN ? (Bytes){packed->bytes, packed->head.length}
                                           : BYTES_NULL;
}
/* Writes the text to `to`, which has room for head.length bytes. False: the bytes are damaged. */
bool unpack(const Packed *packed, uint8_t *to);

/* Reads the bytes that packed_bytes returned; NULL if they are damaged. find returns the dictionary
 * with an id, borrowed, or NULL. */
Packed *packed_read(Bytes bytes, PackDictionary *(*find)(void *data, uint32_t id), void *data);

#endif
