/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in little memory and little room on the disk: LZ4, where it pays with a dictionary.
 *
 * The objects of one kind resemble each other, often to the letter but for names, addresses and
 * times, so the text of one of them is the best dictionary for the others: of 3,500 bytes of a pod
 * some 400 stay. A dictionary is a text like any other; who packs with one has to keep it for as
 * long as what was packed with it, in memory (that is what the reference is for) and on the disk.
 *
 * A Packed is in memory what it is on the disk: a PackHead in the byte order of this machine, then
 * the bytes. Its sum tells damage apart from what this program wrote; `schema` is whatever the
 * caller wants to find again.
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
/* Frees what only packing needs, 16 KiB; it is made again if need be. */
void pack_dictionary_rest(PackDictionary *dictionary);

/* dictionary NULL: without one. */
Packed *pack(PackDictionary *dictionary, uint32_t schema, Bytes text);
Packed *packed_free(Packed *packed); /* NULL is fine; returns NULL */
static inline Bytes packed_bytes(const Packed *packed)
{
    return (Bytes){(const uint8_t *)&packed->head, packed->n};
}
/* The text where it lies in there as it is, with a newline and a NUL behind it; else BYTES_NULL. */
static inline Bytes packed_plain(const Packed *packed)
{
    return packed->head.form == PACK_PLAIN ? (Bytes){packed->bytes, packed->head.length}
                                           : BYTES_NULL;
}
/* Writes the text to `to`, which has room for head.length bytes. False: it cannot be. */
bool unpack(const Packed *packed, uint8_t *to);

/* From bytes that packed_bytes gave, which may be damaged: NULL then. find gives the dictionary of
 * an id, borrowed, or NULL. */
Packed *packed_read(Bytes bytes, PackDictionary *(*find)(void *data, uint32_t id), void *data);

#endif
