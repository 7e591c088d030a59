/* SPDX-License-Identifier: Apache-2.0 */
/* Includes rabbitmq-c under the names of the installed version: 0.12 moved its headers into a folder. */
#ifndef CHARD_BROKER_AMQP_CONNECTION_LIBRABBITMQ_H
#define CHARD_BROKER_AMQP_CONNECTION_LIBRABBITMQ_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#endif
