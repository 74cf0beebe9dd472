/*
 * Of the orders and questions to a socket (socket_orders.h), those about TLS: secure_orders.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_SECURE_ORDERS_H
#define TROUPE_NET_SECURE_ORDERS_H

#include "answer.h"
#include "socket_orders.h"

/* tr_socket_set_secure(). The order stays the message's. */
tr_status tri_obey_secure(tr_socket *socket, const struct tri_secure_order *order);

/* tr_socket_update_keys() and tr_socket_peer(). They take the question, which becomes the answer. */
void tri_obey_update_keys(tr_socket *socket, struct tri_info_ask *ask);
void tri_obey_peer(tr_socket *socket, struct tri_info_ask *ask);

/* What the answer to tr_remote_socket_info() says of TLS. */
void tri_obey_secure_info(const tr_socket *socket, struct tr_socket_info *info);

#endif
