/* The members of the client protocol's messages that a crowd looks at. */
#ifndef NG_CENTRIFUGO_H
#define NG_CENTRIFUGO_H

#include <stddef.h>

enum ng_member {
    NG_PUSH = 1, NG_PUB, NG_DATA, NG_OFFSET, NG_ID, NG_CONNECT, NG_SUBSCRIBE, NG_PUBLICATIONS,
    NG_EPOCH, NG_RECOVERED, NG_ERROR, NG_CODE, NG_RPC, NG_STATUS, NG_UNSUBSCRIBE, NG_DISCONNECT
};

static const char *const ng_members[] = {
    "push", "pub", "data", "offset", "id", "connect", "subscribe", "publications",
    "epoch", "recovered", "error", "code", "rpc", "status", "unsubscribe", "disconnect", NULL
};

#endif
