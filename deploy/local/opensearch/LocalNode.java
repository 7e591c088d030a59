// SPDX-License-Identifier: Apache-2.0
// One OpenSearch node inside a JVM, from Maven's jars: LocalNode FOLDER HTTP_PORT TRANSPORT_PORT. It ends with SIGTERM.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

public final class LocalNode extends Node {
    private LocalNode(Settings settings, Path config, Collection<Class<? extends Plugin>> plugins) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> "local"), plugins, false);
    }

    private static Settings settings(Path folder, String http, String transport) {
        return Settings.builder()
            .put("path.home", folder.toString()).put("path.data", folder.resolve("data").toString()).put("path.logs", folder.resolve("logs").toString())
            .put("cluster.name", "local").put("node.name", "local").put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1").put("http.port", http).put("transport.port", transport)
            .put("transport.type", "netty4").put("http.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    }

    public static void main(String[] words) throws Exception {
        Path folder = Path.of(words[0]).toAbsolutePath();
        Path config = Files.createDirectories(folder.resolve("config"));
        LocalNode node = new LocalNode(settings(folder, words[1], words[2]), config, List.of(Netty4Plugin.class, CommonAnalysisPlugin.class));
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        main.join();
    }
}
